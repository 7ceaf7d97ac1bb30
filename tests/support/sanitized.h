// Whether AddressSanitizer or ThreadSanitizer watches this build: bounds of time and memory that hold for the
// code do not hold for what they add.
#pragma once

namespace leoam::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

// ThreadSanitizer alone, under which work on one thread shows nothing.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kThreadSanitized = __has_feature(thread_sanitizer);
#else
inline constexpr bool kThreadSanitized = false;
#endif

// Of so many random cases of a long list ThreadSanitizer sees one.
inline constexpr int kSampling = kThreadSanitized ? 5 : 1;

// How often longer work may take than without one.
inline constexpr double kSlowdown = kSanitized ? 20 : 1;

}  // namespace leoam::testing
