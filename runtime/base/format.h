// Text formatting: fmt from the distribution, header-only so that nothing of it leaves the library.
#pragma once

#include <fmt/format.h>
