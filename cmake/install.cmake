# What `cmake --install` puts where: the library, its headers, the command, a CMake package and a pkg-config file.

if(TARGET leoam)
  include(CMakePackageConfigHelpers)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/leoam)
  install(TARGETS leoam EXPORT leoamTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY c_api/include/leoam sdk/include/leoam DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
  install(EXPORT leoamTargets NAMESPACE leoam:: DESTINATION ${package_dir})
  configure_package_config_file(cmake/leoamConfig.cmake.in ${PROJECT_BINARY_DIR}/leoamConfig.cmake
    INSTALL_DESTINATION ${package_dir})
  # Before 1.0 a minor version may change source compatibility; the binary boundary has its own promise.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/leoamConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/leoamConfig.cmake ${PROJECT_BINARY_DIR}/leoamConfigVersion.cmake
    DESTINATION ${package_dir})
  # The prefix is found from the file's own place, so that an installed tree can be moved.
  file(RELATIVE_PATH LEOAM_PC_TO_PREFIX
    ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" LEOAM_PC_TO_PREFIX "${LEOAM_PC_TO_PREFIX}")
  configure_file(cmake/leoam.pc.in ${PROJECT_BINARY_DIR}/leoam.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/leoam.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

if(TARGET leoam_cli)
  file(RELATIVE_PATH bin_to_lib
    ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR})
  set_target_properties(leoam_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  install(TARGETS leoam_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
