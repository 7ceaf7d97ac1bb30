# How every target of the project is compiled, and the functions that declare rooms, the library and tests.

find_package(Threads REQUIRED)

add_library(leoam_options INTERFACE)
target_compile_options(leoam_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers -Werror
  -fno-math-errno -ffp-contract=off
  $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
target_include_directories(leoam_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(leoam_options INTERFACE Threads::Threads)
if(LEOAM_SANITIZE)
  target_compile_options(leoam_options INTERFACE
    -fsanitize=${LEOAM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(leoam_options INTERFACE -fsanitize=${LEOAM_SANITIZE})
endif()

# Reading the standard library is a third of a build. g++ reads it once, from a precompiled header; builds with
# clang go without and show a header that a file needs and does not include.
set(LEOAM_STANDARD_HEADERS <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <filesystem>
  <fstream> <functional> <map> <memory> <mutex> <optional> <random> <span> <string> <string_view> <thread>
  <unordered_map> <vector>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "int main() { return 0; }\n")
  add_library(leoam_precompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(leoam_precompiled PRIVATE leoam_options)
  target_precompile_headers(leoam_precompiled PRIVATE ${LEOAM_STANDARD_HEADERS})
endif()
# leoam_precompiled(TARGET DONOR): TARGET takes the precompiled header of DONOR, compiled with the same flags.
function(leoam_precompiled target donor)
  if(TARGET ${donor})
    target_precompile_headers(${target} REUSE_FROM ${donor})
  endif()
endfunction()

# leoam_room(NAME SOURCES a.cc b.cc DEPENDS other_room ... [FREESTANDING]): one static library a room.
# FREESTANDING: its files do not include the standard library.
function(leoam_room name)
  cmake_parse_arguments(ROOM "FREESTANDING" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(${name} PUBLIC leoam_options ${ROOM_DEPENDS})
  if(NOT ROOM_FREESTANDING)
    leoam_precompiled(${name} leoam_precompiled)
  endif()
  set_property(GLOBAL APPEND PROPERTY LEOAM_ROOMS ${name})
endfunction()

# leoam_shared_library(NAME SOURCES a.cc DEPENDS room ... INCLUDE dir MAP file.map): the one binary that leaves
# the project. Everything it depends on is linked in and hidden; the version script names what is exported.
# Safe to load into any host: no symbol of the host can replace one of ours (-Bsymbolic), the C++ run-time is a
# private copy, nothing unresolved is left for later (-z defs, -z now), and no unique symbol keeps it mapped.
# INCLUDE is the folder of its public header, and all that its users see of it.
function(leoam_shared_library name)
  cmake_parse_arguments(LIB "" "MAP;INCLUDE" "SOURCES;DEPENDS" ${ARGN})
  cmake_path(ABSOLUTE_PATH LIB_MAP BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  cmake_path(ABSOLUTE_PATH LIB_INCLUDE BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_library(${name} SHARED ${LIB_SOURCES})
  add_library(leoam::${name} ALIAS ${name})
  target_link_libraries(${name} PRIVATE leoam_options ${LIB_DEPENDS})
  leoam_precompiled(${name} leoam_precompiled)
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${LIB_INCLUDE}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(${name} PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS ${LIB_MAP})
  target_link_options(${name} PRIVATE
    -Wl,--version-script=${LIB_MAP} -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,--gc-sections
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  # A sanitizer's run-time interposes the C++ one and is resolved when the program starts.
  if(NOT LEOAM_SANITIZE)
    target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc -Wl,-z,defs)
  endif()
endfunction()

# leoam_time_limit(NAME SECONDS): of a test that is there; a multiple of it where builds are slow, in which scripts
# wait longer too.
function(leoam_time_limit name seconds)
  set(patience 1)
  if(LEOAM_SANITIZE MATCHES "thread")
    set(patience 16)
  elseif(LEOAM_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(patience 4)
  endif()
  math(EXPR seconds "${seconds} * ${patience}")
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "LEOAM_TEST_PATIENCE=${patience}")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds})
endfunction()

# leoam_test(NAME SOURCES a_test.cc DEPENDS room ... [LONG] [ONE_THREAD] [TIMEOUT seconds]): one GoogleTest
# executable, one ctest entry. LONG tests carry the label `long`: scripts/test.sh runs them with --full only.
# ONE_THREAD: the code under test shares nothing between threads, so there is nothing in it for ThreadSanitizer
# to find, and its builds leave the test out.
function(leoam_test name)
  cmake_parse_arguments(TEST "LONG;ONE_THREAD" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(TEST_ONE_THREAD AND LEOAM_SANITIZE MATCHES "thread")
    return()
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE leoam_options ${TEST_DEPENDS} GTest::gtest_main)
  leoam_precompiled(${name} leoam_precompiled_test)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT "LEOAM_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
  leoam_time_limit(${name} ${TEST_TIMEOUT})
  if(TEST_LONG)
    set_tests_properties(${name} PROPERTIES LABELS long)
  endif()
endfunction()

# leoam_tool_test(NAME TOOLS variable ... COMMAND ...): a test by programs that a machine may lack, each the result of
# find_program: then it says so, and counts as skipped.
function(leoam_tool_test name)
  cmake_parse_arguments(TEST "" "" "TOOLS;COMMAND" ${ARGN})
  foreach(tool ${TEST_TOOLS})
    if(NOT ${tool})
      get_property(help CACHE ${tool} PROPERTY HELPSTRING)
      set(TEST_COMMAND sh -c "echo 'SKIPPED: ${name}: there is no ${help}, run scripts/deps.sh --bindings' && exit 77")
    endif()
  endforeach()
  add_test(NAME ${name} COMMAND ${TEST_COMMAND})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
  leoam_time_limit(${name} 300)
endfunction()
