# What `cmake --install` puts where.  The tree may be moved afterwards: nothing in it holds an absolute path.
include(CMakePackageConfigHelpers)
set(OASSL_INSTALL_BACKENDS ${CMAKE_INSTALL_LIBDIR}/oassl/backends-1)
set(OASSL_INSTALL_CMAKE ${CMAKE_INSTALL_LIBDIR}/cmake/oassl)

install(DIRECTORY include/oassl DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
install(TARGETS oassl oassl_headers EXPORT oasslTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS oassl_static EXPORT oasslStaticTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT oasslTargets NAMESPACE oassl:: DESTINATION ${OASSL_INSTALL_CMAKE})
install(EXPORT oasslStaticTargets NAMESPACE oassl:: DESTINATION ${OASSL_INSTALL_CMAKE})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/oasslConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/oasslConfig.cmake
  INSTALL_DESTINATION ${OASSL_INSTALL_CMAKE} PATH_VARS OASSL_INSTALL_BACKENDS)
# Before 1.0 a minor version may break.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/oasslConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/oasslConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/oasslConfigVersion.cmake
  DESTINATION ${OASSL_INSTALL_CMAKE})

# ---- pkg-config ----
file(RELATIVE_PATH OASSL_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" OASSL_PC_PREFIX "${OASSL_PC_PREFIX}")
foreach(which LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE ${CMAKE_INSTALL_${which}})
    set(OASSL_PC_${which} ${CMAKE_INSTALL_${which}})
  else()
    set(OASSL_PC_${which} "\${prefix}/${CMAKE_INSTALL_${which}}")
  endif()
endforeach()
# For `pkg-config --static`: a static library does not say what it needs.
set(OASSL_PC_LIBS_PRIVATE)
foreach(module SNDFILE SOXR JANSSON UTF8PROC EXPAT)
  foreach(directory ${${module}_LIBRARY_DIRS})
    if(NOT directory IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
      list(APPEND OASSL_PC_LIBS_PRIVATE -L${directory})
    endif()
  endforeach()
  list(TRANSFORM ${module}_LIBRARIES PREPEND -l OUTPUT_VARIABLE names)
  list(APPEND OASSL_PC_LIBS_PRIVATE ${names})
endforeach()
list(APPEND OASSL_PC_LIBS_PRIVATE ${OASSL_ONEDNN_LIBS_PRIVATE} -lz -ljpeg -lpng -pthread -ldl -lm)
list(JOIN OASSL_PC_LIBS_PRIVATE " " OASSL_PC_LIBS_PRIVATE)
configure_file(${CMAKE_CURRENT_LIST_DIR}/oassl.pc.in ${CMAKE_CURRENT_BINARY_DIR}/oassl.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/oassl.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- programs: they find the library beside themselves ----
file(RELATIVE_PATH oassl_from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
foreach(program oassl_tool oassl-conform)
  if(TARGET ${program})
    set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/${oassl_from_bin}")
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
