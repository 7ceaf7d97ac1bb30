# How every target of the project is compiled, and the two functions that declare rooms and tests.

find_package(Threads REQUIRED)

add_library(leoam_options INTERFACE)
target_compile_options(leoam_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers -Werror
  -fno-math-errno -ffp-contract=off
  $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
target_include_directories(leoam_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(leoam_options INTERFACE Threads::Threads)
if(LEOAM_SANITIZE)
  target_compile_options(leoam_options INTERFACE -fsanitize=${LEOAM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(leoam_options INTERFACE -fsanitize=${LEOAM_SANITIZE})
endif()

# leoam_room(NAME SOURCES a.cc b.cc DEPENDS other_room ...): one static library a room.
function(leoam_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(${name} PUBLIC leoam_options ${ROOM_DEPENDS})
endfunction()

# leoam_test(NAME SOURCES a_test.cc DEPENDS room ... [LONG]): one GoogleTest executable, one ctest entry.
# LONG tests carry the label `long`: scripts/test.sh runs them with --full only.
function(leoam_test name)
  cmake_parse_arguments(TEST "LONG" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE leoam_options ${TEST_DEPENDS} GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "LEOAM_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
  if(TEST_LONG)
    set_tests_properties(${name} PROPERTIES LABELS long)
  endif()
endfunction()
