# One folder, one OBJECT library; libwindlass.so links them all; tests link windlass_core, an
# archive of the same objects (hidden symbols are reachable, one compile). A test must never link
# both: there would be two registries.

find_program(WINDLASS_CCACHE ccache)
if(WINDLASS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WINDLASS_CCACHE})
endif()

# -ffp-contract=off: the compiler must not fuse a multiply and an add on one machine and not on
# another; where we want a fused one we write it.
# x86-64-v3 (AVX2, FMA): one instruction set, so that one build gives one set of bytes everywhere.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-march=x86-64-v3)
  # Highway counts AES among AVX2's conditions and would fall back to SSE without FMA.
  add_compile_definitions(HWY_DISABLE_PCLMUL_AES)
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Wno-missing-field-initializers -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-psabi)
  if(CMAKE_UNITY_BUILD)  # it takes a source file that another includes for a header
    add_compile_options(-Wno-subobject-linkage)
  endif()
endif()
if(WINDLASS_SANITIZE)
  add_compile_options(-fsanitize=${WINDLASS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WINDLASS_SANITIZE})
endif()

# windlass_library(base SOURCES a.cc b.cc DEPS windlass_store fmt::fmt)
function(windlass_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(windlass_${name} OBJECT ${A_SOURCES})
  target_include_directories(windlass_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(windlass_${name} PUBLIC ${A_DEPS})
  set_property(GLOBAL APPEND PROPERTY WINDLASS_LIBRARIES windlass_${name})
endfunction()

# After every windlass_library: the shared library, the test archive.
function(windlass_link_all)
  windlass_build_hash(build_hash)
  add_library(windlass_build_info OBJECT ${CMAKE_SOURCE_DIR}/src/windlass/base/build_info.cc)
  target_include_directories(windlass_build_info PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_definitions(windlass_build_info PRIVATE
    WINDLASS_VERSION="${PROJECT_VERSION}" WINDLASS_BUILD_HASH="${build_hash}")
  get_property(libraries GLOBAL PROPERTY WINDLASS_LIBRARIES)
  add_library(windlass SHARED $<TARGET_OBJECTS:windlass_build_info>)
  target_include_directories(windlass PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(windlass PRIVATE ${libraries} Threads::Threads ${CMAKE_DL_LIBS})
  set(symbols ${CMAKE_SOURCE_DIR}/cmake/windlass.map)
  set_property(TARGET windlass PROPERTY LINK_DEPENDS ${symbols})
  target_link_options(windlass PRIVATE -Wl,--version-script=${symbols} -Wl,--as-needed
                      -Wl,--gc-sections)
  if(NOT WINDLASS_SANITIZE)
    target_link_options(windlass PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(windlass PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

  add_library(windlass_core STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:windlass_build_info>)
  target_include_directories(windlass_core PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(windlass_core PUBLIC ${libraries} Threads::Threads ${CMAKE_DL_LIBS})
endfunction()

if(WINDLASS_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
endif()
add_custom_target(windlass_tests)       # every test program
add_custom_target(windlass_benchmarks)  # every micro-benchmark
add_custom_target(windlass_fuzzers)

# windlass_test(store_test SOURCES store_test.cc [LABELS sanitize thread] [DEPS ...] [ONLY base])
# LABELS: `sanitize` runs under address + undefined too, `thread` under the thread sanitizer.
# ONLY: the folders that it links instead of all, so that a sanitizer build need not compile more.
function(windlass_test name)
  if(NOT WINDLASS_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LABELS;ONLY" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${A_SOURCES})
  if(A_ONLY)
    list(TRANSFORM A_ONLY PREPEND windlass_)
    target_link_libraries(${name} PRIVATE ${A_ONLY} Threads::Threads ${CMAKE_DL_LIBS})
  else()
    target_link_libraries(${name} PRIVATE windlass_core)
  endif()
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gmock GTest::gtest_main)
  # Tests take longer to compile than to run: their headers are parsed and their templates made
  # once a program, and only what they test is optimised.
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${name} PRIVATE -Og)
  endif()
  add_dependencies(windlass_tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${A_LABELS}" TIMEOUT 300
    ENVIRONMENT "WINDLASS_SOURCE=${CMAKE_SOURCE_DIR}")
  if(WINDLASS_SANITIZE STREQUAL "thread")
    # Arrow's own allocator is not instrumented, and races in its start and end of threads are told.
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "ARROW_DEFAULT_MEMORY_POOL=system")
  endif()
  foreach(label ${A_LABELS})
    if(NOT TARGET windlass_tests_${label})
      add_custom_target(windlass_tests_${label})
    endif()
    add_dependencies(windlass_tests_${label} ${name})
  endforeach()
endfunction()

function(windlass_benchmark name)
  if(NOT WINDLASS_BENCHMARKS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  find_package(benchmark REQUIRED)
  add_executable(${name} EXCLUDE_FROM_ALL ${A_SOURCES})
  target_link_libraries(${name} PRIVATE windlass_core ${A_DEPS} benchmark::benchmark_main)
  add_dependencies(windlass_benchmarks ${name})
endfunction()

# A libFuzzer target; clang only.
function(windlass_fuzzer name)
  if(NOT WINDLASS_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;ONLY" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${A_SOURCES})
  if(A_ONLY)
    list(TRANSFORM A_ONLY PREPEND windlass_)
    target_link_libraries(${name} PRIVATE ${A_ONLY} Threads::Threads ${CMAKE_DL_LIBS})
  else()
    target_link_libraries(${name} PRIVATE windlass_core)
  endif()
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(windlass_fuzzers ${name})
endfunction()

# The build's identity, which driver and workers compare: sources, pinned dependencies, flags.
# Computed when CMake configures; a change of any listed file configures again.
function(windlass_build_hash output)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.cc ${CMAKE_SOURCE_DIR}/src/*.h
       ${CMAKE_SOURCE_DIR}/plugins/*.cc ${CMAKE_SOURCE_DIR}/plugins/*.h)
  list(FILTER files EXCLUDE REGEX "_(test|benchmark|fuzz)\\.cc$")
  set(all "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_BUILD_TYPE} ${WINDLASS_SANITIZE}")
  foreach(file ${files} ${CMAKE_SOURCE_DIR}/scripts/requirements-build.txt
          ${CMAKE_SOURCE_DIR}/cmake/Windlass.cmake)
    file(SHA256 ${file} hash)
    string(APPEND all " ${hash}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  string(SHA256 hash "${all}")
  string(SUBSTRING ${hash} 0 16 hash)
  set(${output} ${hash} PARENT_SCOPE)
endfunction()
