// Text formatting: fmt from the distribution. Its shared library is not used: fmt's own sources are in its
// headers, and format.cc compiles them once, into this room, so that nothing of it leaves the library.
#pragma once

#include <fmt/format.h>
