# Shaders are compiled at build time and embedded. shaders/kernels/softmax.comp becomes "kernels/softmax". A line
#   //! variant subgroup -DUSE_SUBGROUP=1
# in a shader adds a second build "kernels/softmax@subgroup" with these definitions. shaders/include is on the include path.
#   //! prebuilt
# marks a shader that needs a newer compiler than every system has: where this one cannot build it, shaders/prebuilt/<name>.spv is taken
# (packaging/dev/prebuilt_shaders.py makes it; a test compares it with its source).

find_program(GLSLANG glslangValidator REQUIRED)

# A source file in `folder` that registers shaders/prebuilt/<name>.spv.
function(orrery_prebuilt_shader name folder result)
  set(binary ${CMAKE_SOURCE_DIR}/shaders/prebuilt/${name}.spv)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${binary})
  file(READ ${binary} hex HEX)
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${hex}")   # little-endian words
  string(MAKE_C_IDENTIFIER "${name}" symbol)
  file(CONFIGURE OUTPUT ${folder}/${symbol}.cpp CONTENT [[
#include <cstdint>
#include "core/gpu/shader_code.h"
static const std::uint32_t words[] = {@words@};
static const orrery::Registration<orrery::gpu::ShaderCode> registration{{"@name@", words, sizeof(words)}};
]] @ONLY)
  set(${result} ${folder}/${symbol}.cpp PARENT_SCOPE)
endfunction()

function(orrery_shaders)
  file(GLOB_RECURSE shaders CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/shaders/*.comp ${CMAKE_SOURCE_DIR}/shaders/*.vert ${CMAKE_SOURCE_DIR}/shaders/*.frag)
  file(GLOB_RECURSE includes CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/shaders/include/*.glsl)
  set(folder ${CMAKE_BINARY_DIR}/shaders)
  file(MAKE_DIRECTORY ${folder})
  set(generated "")
  foreach(shader IN LISTS shaders)
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR}/shaders ${shader})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shader})
    string(REGEX REPLACE "\\.comp$" "" name ${relative})
    file(STRINGS ${shader} prebuilt REGEX "^//! prebuilt")
    if(prebuilt)
      execute_process(COMMAND ${GLSLANG} -V --quiet --target-env vulkan1.2 -I${CMAKE_SOURCE_DIR}/shaders/include -o ${folder}/probe.spv ${shader}
        RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
      if(failed)
        orrery_prebuilt_shader(${name} ${folder} source)
        list(APPEND generated ${source})
        continue()
      endif()
    endif()
    file(STRINGS ${shader} variants REGEX "^//! variant ")
    set(builds "${name}|")
    foreach(line IN LISTS variants)
      string(REGEX MATCH "^//! variant ([a-z0-9-]+) ?(.*)$" matched "${line}")
      list(APPEND builds "${name}@${CMAKE_MATCH_1}|${CMAKE_MATCH_2}")
    endforeach()
    foreach(build IN LISTS builds)
      string(REGEX MATCH "^([^|]*)\\|(.*)$" matched "${build}")
      set(buildName ${CMAKE_MATCH_1})
      separate_arguments(definitions UNIX_COMMAND "${CMAKE_MATCH_2}")
      string(MAKE_C_IDENTIFIER "${buildName}" symbol)
      set(header ${folder}/${symbol}.h)
      set(source ${folder}/${symbol}.cpp)
      add_custom_command(OUTPUT ${header}
        COMMAND ${GLSLANG} -V --quiet --target-env vulkan1.2 -I${CMAKE_SOURCE_DIR}/shaders/include ${definitions}
          --vn ${symbol} -o ${header} ${shader}
        DEPENDS ${shader} ${includes} VERBATIM COMMENT "Shader ${buildName}")
      file(CONFIGURE OUTPUT ${source} CONTENT [[
#include <cstdint>
#include "core/gpu/shader_code.h"
#include "@header@"
static const orrery::Registration<orrery::gpu::ShaderCode> registration{{"@buildName@", @symbol@, sizeof(@symbol@)}};
]] @ONLY)
      list(APPEND generated ${source} ${header})
    endforeach()
  endforeach()
  if(generated)
    add_library(core_shaders OBJECT ${generated})
    target_link_libraries(core_shaders PUBLIC orrery_options)
    set_property(GLOBAL APPEND PROPERTY ORRERY_CORE_MODULES core_shaders)
  endif()
endfunction()
