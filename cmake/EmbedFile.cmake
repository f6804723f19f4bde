# windlass_embed_file(<target> <path> <symbol>)
#
# Compiles the bytes of a file into a target, as `extern const std::string_view <symbol>;`, where the
# symbol may be qualified (`windlass::explain::kReportTemplate`). The object is rebuilt when the
# file changes. <path> is relative to the caller's source folder unless absolute.
#
# The same file is the script that the build runs (cmake -P) to write the source.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ "${INPUT}" bytes HEX)
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  # Every byte is an escape, so that no byte means anything to the compiler; 32 to a literal.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${bytes}")
  string(REPEAT "\\\\x[0-9a-f][0-9a-f]" 32 line)
  string(REGEX REPLACE "(${line})" "\"\\1\"\n" bytes "${bytes}")
  string(REGEX REPLACE "\n([^\"\n]+)$" "\n\"\\1\"\n" bytes "${bytes}")
  if(size LESS 32)
    set(bytes "\"${bytes}\"\n")
  endif()
  string(REGEX MATCH "^(.*)::([A-Za-z_0-9]+)$" qualified "${SYMBOL}")
  if(qualified)
    set(open "namespace ${CMAKE_MATCH_1} {\n")
    set(name "${CMAKE_MATCH_2}")
    set(close "}\n")
  else()
    set(open "")
    set(name "${SYMBOL}")
    set(close "")
  endif()
  file(WRITE "${OUTPUT}"
       "#include <string_view>\n${open}"
       "extern const std::string_view ${name};\n"
       "constinit const std::string_view ${name}(\n${bytes}, ${size});\n${close}")
  return()
endif()

set(WINDLASS_EMBED_FILE_SCRIPT "${CMAKE_CURRENT_LIST_FILE}" CACHE INTERNAL "")

function(windlass_embed_file target path symbol)
  cmake_path(ABSOLUTE_PATH path BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  string(MAKE_C_IDENTIFIER "${symbol}" stem)
  set(output "${CMAKE_CURRENT_BINARY_DIR}/embed/${stem}.cc")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DINPUT=${path}" "-DOUTPUT=${output}" "-DSYMBOL=${symbol}"
            -P "${WINDLASS_EMBED_FILE_SCRIPT}"
    DEPENDS "${path}" "${WINDLASS_EMBED_FILE_SCRIPT}"
    COMMENT "Embedding ${path}"
    VERBATIM)
  target_sources(${target} PRIVATE "${output}")
endfunction()
