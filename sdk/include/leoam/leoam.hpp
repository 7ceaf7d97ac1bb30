// leoam.hpp: C++20 over leoam.h. Header-only; compiled into the program that includes it, so no C++ type
// crosses the binary boundary. Failures are thrown as leoam::Error. Handles are released by their owners;
// copies of an object share it. Callbacks may throw: the work stops and the exception leaves the call that
// waits for it.
//
// Thread rules are those of leoam.h.
#pragma once

#include "leoam/detail.hpp"
#include "leoam/instance.hpp"
#include "leoam/model.hpp"
#include "leoam/request.hpp"
#include "leoam/session.hpp"
#include "leoam/session_file.hpp"
