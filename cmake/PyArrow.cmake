# Arrow C++ and Parquet as imported targets windlass::arrow and windlass::parquet, from the pinned
# pyarrow wheel that scripts/setup.sh unpacks, from the build environment of pip, or from
# -DPYARROW_DIR=<a pyarrow package folder>.

if(SKBUILD AND NOT PYARROW_DIR)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import pyarrow, os; print(os.path.dirname(pyarrow.__file__))"
    OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE PYARROW_DIR COMMAND_ERROR_IS_FATAL ANY)
endif()

set(WINDLASS_DEPS "$ENV{WINDLASS_DEPS}" CACHE PATH "where scripts/setup.sh put the wheels")
if(NOT WINDLASS_DEPS)
  set(WINDLASS_DEPS ${CMAKE_SOURCE_DIR}/.deps)
endif()
set(PYARROW_DIR ${WINDLASS_DEPS}/wheels/pyarrow CACHE PATH "a pyarrow package folder")
set(ONNXRUNTIME_DIR ${WINDLASS_DEPS}/wheels/onnxruntime CACHE PATH "an onnxruntime package folder")
if(NOT EXISTS ${PYARROW_DIR}/include/arrow/util/config.h)
  message(FATAL_ERROR "No Arrow in ${PYARROW_DIR}: run `make setup`, or pass -DPYARROW_DIR=...")
endif()

file(STRINGS ${PYARROW_DIR}/include/arrow/util/config.h _line REGEX "define ARROW_SO_VERSION")
string(REGEX MATCH "[0-9]+" _arrow_so "${_line}")
function(_windlass_arrow_library name file)
  add_library(windlass::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(windlass::${name} PROPERTIES
    IMPORTED_LOCATION ${PYARROW_DIR}/${file}.so.${_arrow_so}
    IMPORTED_SONAME ${file}.so.${_arrow_so}
    INTERFACE_INCLUDE_DIRECTORIES ${PYARROW_DIR}/include
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${PYARROW_DIR}/include)
endfunction()
_windlass_arrow_library(arrow libarrow)
_windlass_arrow_library(parquet libparquet)
target_link_libraries(windlass::parquet INTERFACE windlass::arrow)
