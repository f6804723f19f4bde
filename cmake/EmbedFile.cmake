# windlass_embed_file(target file symbol): the file's bytes as
# `extern const std::string_view windlass::<symbol>`.
function(windlass_embed_file target file symbol)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cc)
  get_filename_component(path ${file} ABSOLUTE)
  file(CONFIGURE OUTPUT ${assembly} @ONLY CONTENT [[
#include <string_view>
__asm__(R"(
    .section .rodata
    .balign 16
windlass_embedded_@symbol@:
    .incbin "@path@"
windlass_embedded_@symbol@_end:
    .byte 0
    .previous
)");
extern "C" __attribute__((visibility("hidden"))) const char windlass_embedded_@symbol@[];
extern "C" __attribute__((visibility("hidden"))) const char windlass_embedded_@symbol@_end[];
namespace windlass {
extern const std::string_view @symbol@;
const std::string_view @symbol@(windlass_embedded_@symbol@,
                                windlass_embedded_@symbol@_end - windlass_embedded_@symbol@);
}  // namespace windlass
]])
  set_property(SOURCE ${assembly} APPEND PROPERTY OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${assembly})
endfunction()
