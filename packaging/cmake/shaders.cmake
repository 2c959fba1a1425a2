# Shaders are compiled at build time and embedded. shaders/kernels/softmax.comp becomes "kernels/softmax". A line
#   //! variant subgroup -DUSE_SUBGROUP=1
# in a shader adds a second build "kernels/softmax@subgroup" with these definitions. shaders/include is on the include path.

find_program(GLSLANG glslangValidator REQUIRED)

function(orrery_shaders)
  file(GLOB_RECURSE shaders CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/shaders/*.comp ${CMAKE_SOURCE_DIR}/shaders/*.vert ${CMAKE_SOURCE_DIR}/shaders/*.frag)
  file(GLOB_RECURSE includes CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/shaders/include/*.glsl)
  set(folder ${CMAKE_BINARY_DIR}/shaders)
  set(generated "")
  foreach(shader IN LISTS shaders)
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR}/shaders ${shader})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shader})
    string(REGEX REPLACE "\\.comp$" "" name ${relative})
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
