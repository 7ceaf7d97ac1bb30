// RMS norm, RoPE, gated activations and softmax against double precision.
#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {
namespace {

constexpr uint32_t kLengths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 576, 1000, 1536};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class RmsNormTest : public KernelTest {};

TEST_P(RmsNormTest, MatchesDouble) {
  for (const uint32_t n : kLengths) {
    for (const float magnitude : {1e-4f, 1.0f, 1e4f}) {
      ExactBuffer<float> x(n), weight(n), out(n);
      fill(x, -magnitude, magnitude);
      fill(weight, -2, 2);
      const float eps = 1e-5f;
      table().rms_norm(x.data(), weight.data(), n, eps, out.data());
      double sum = 0;
      for (uint32_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
      const double scale = 1 / std::sqrt(sum / n + double{eps});
      // A chain of at most n roundings, halved by the square root, and five more.
      const double relative = (0.5 * n + 5) * kEpsilon;
      for (uint32_t i = 0; i < n; ++i) {
        const double expected = x[i] * scale * weight[i];
        ASSERT_NEAR(out[i], expected, relative * std::fabs(expected)) << "n " << n << " at " << i;
      }
    }
  }
}

TEST_P(RmsNormTest, WorksInPlace) {
  ExactBuffer<float> x(67), weight(67), out(67);
  fill(x, -1, 1);
  fill(weight, -1, 1);
  table().rms_norm(x.data(), weight.data(), 67, 1e-6f, out.data());
  table().rms_norm(x.data(), weight.data(), 67, 1e-6f, x.data());
  EXPECT_EQ(0, std::memcmp(x.data(), out.data(), 67 * sizeof(float)));
}

LEOAM_KERNEL_SUITE(RmsNormTest);

class RopeTest : public KernelTest {};

TEST_P(RopeTest, RotatesPairsAndLeavesTheRest) {
  for (const RopePairing pairing : {RopePairing::adjacent, RopePairing::halves}) {
    for (const auto& [head_dim, n_rot] : {std::pair<uint32_t, uint32_t>{2, 2},
                                          {3, 2},
                                          {16, 16},
                                          {64, 64},
                                          {64, 32},
                                          {65, 62},
                                          {80, 80},
                                          {96, 48},
                                          {128, 128},
                                          {256, 256}}) {
      for (const uint32_t n_heads : {1u, 3u}) {
        ExactBuffer<float> x(n_heads * head_dim), cos(n_rot / 2), sin(n_rot / 2);
        fill(x, -4, 4);
        for (uint32_t i = 0; i < n_rot / 2; ++i) {
          const float angle = uniform(-3, 3);
          cos[i] = std::cos(angle);
          sin[i] = std::sin(angle);
        }
        const std::vector<float> before(x.data(), x.data() + x.size());
        table().rope({pairing, head_dim, n_rot, cos.data(), sin.data()}, n_heads, x.data());
        for (uint32_t h = 0; h < n_heads; ++h) {
          const float* from = before.data() + h * head_dim;
          const float* to = x.data() + h * head_dim;
          for (uint32_t i = 0; i < n_rot / 2; ++i) {
            const bool adjacent = pairing == RopePairing::adjacent;
            const uint32_t a = adjacent ? 2 * i : i;
            const uint32_t b = adjacent ? 2 * i + 1 : i + n_rot / 2;
            const double tolerance = 3 * kEpsilon * (std::fabs(double{from[a]}) + std::fabs(double{from[b]}));
            ASSERT_NEAR(to[a], double{from[a]} * cos[i] - double{from[b]} * sin[i], tolerance);
            ASSERT_NEAR(to[b], double{from[a]} * sin[i] + double{from[b]} * cos[i], tolerance);
          }
          for (uint32_t c = n_rot; c < head_dim; ++c) ASSERT_EQ(to[c], from[c]);
        }
      }
    }
  }
}

LEOAM_KERNEL_SUITE(RopeTest);

class ActivationTest : public KernelTest {};

double swiglu(double x) {
  return x / (1 + std::exp(-x));
}
double geglu(double x) {
  return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + double{0.044715f} * x * x * x)));
}

TEST_P(ActivationTest, MatchesDouble) {
  for (const bool is_swiglu : {true, false}) {
    GatedActivationFunction* run = is_swiglu ? table().swiglu : table().geglu;
    for (const uint32_t n : kLengths) {
      for (const float magnitude : {0.01f, 3.0f, 30.0f, 200.0f}) {
        ExactBuffer<float> gate(n), up(n), out(n);
        fill(gate, -magnitude, magnitude);
        fill(up, -2, 2);
        run(gate.data(), up.data(), n, out.data());
        for (uint32_t i = 0; i < n; ++i) {
          const double x = gate[i];
          const double expected = (is_swiglu ? swiglu(x) : geglu(x)) * up[i];
          // The exponent's rounding is what grows with x; 1 + tanh loses what is far below 1. Results too
          // small to be normal may be 0.
          const double exponent = is_swiglu ? std::fabs(x) : std::fabs(1.6 * x * (1 + 0.045 * x * x));
          const double cancelled = is_swiglu ? 0 : std::fabs(x * up[i]) * 2 * kEpsilon;
          const double tolerance =
              std::fabs(expected) * (8 + 4 * std::fmin(exponent, 90)) * kEpsilon + cancelled + 1e-35;
          ASSERT_NEAR(out[i], expected, tolerance) << (is_swiglu ? "swiglu " : "geglu ") << x;
        }
      }
    }
  }
}

TEST_P(ActivationTest, ExtremesAndNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ExactBuffer<float> gate{1e30f, -1e30f, 0.0f, 88.9f, -88.9f, -104.0f, 1e-30f, nan, 500.0f};
  ExactBuffer<float> up{1, 1, 1, 1, 1, 1, 1, 1, 1};
  const float large[] = {1e30f, 0.0f, 0.0f, 88.9f, 0.0f, 0.0f, 0.5e-30f};
  for (GatedActivationFunction* run : {table().swiglu, table().geglu}) {
    ExactBuffer<float> out(gate.size());
    run(gate.data(), up.data(), static_cast<uint32_t>(gate.size()), out.data());
    for (size_t i = 0; i < std::size(large); ++i)
      EXPECT_NEAR(out[i], large[i], 1e-6f * std::fabs(large[i]) + 1e-30f) << i;
    EXPECT_TRUE(std::isnan(out[7]));
    EXPECT_EQ(out[8], 500.0f);
  }
}

TEST_P(ActivationTest, WorksInPlace) {
  ExactBuffer<float> gate(37), up(37), out(37);
  fill(gate, -5, 5);
  fill(up, -5, 5);
  table().geglu(gate.data(), up.data(), 37, out.data());
  table().geglu(gate.data(), up.data(), 37, up.data());
  EXPECT_EQ(0, std::memcmp(up.data(), out.data(), 37 * sizeof(float)));
}

LEOAM_KERNEL_SUITE(ActivationTest);

class SoftmaxTest : public KernelTest {};

TEST_P(SoftmaxTest, MatchesDouble) {
  for (const uint32_t n : kLengths) {
    for (const float magnitude : {0.1f, 10.0f, 1000.0f}) {
      ExactBuffer<float> x(n), out(n);
      fill(x, -magnitude, magnitude);
      if (n > 2) x[n / 2] = -kInfinity;
      double maximum = -kInfinity;
      double sum = 0;
      for (uint32_t i = 0; i < n; ++i) maximum = std::fmax(maximum, double{x[i]});
      for (uint32_t i = 0; i < n; ++i) sum += std::exp(x[i] - maximum);
      table().softmax(x.data(), n, out.data());
      for (uint32_t i = 0; i < n; ++i) {
        const double expected = std::exp(x[i] - maximum) / sum;
        const double tolerance = expected * (16 + 2 * std::fmin(maximum - x[i], 90)) * kEpsilon + 1e-37;
        ASSERT_NEAR(out[i], expected, tolerance) << "n " << n << " at " << i;
      }
      if (n > 2) {
        EXPECT_EQ(out[n / 2], 0.0f);
      }
      table().softmax(x.data(), n, x.data());
      EXPECT_EQ(0, std::memcmp(x.data(), out.data(), n * sizeof(float)));
    }
  }
}

LEOAM_KERNEL_SUITE(SoftmaxTest);

}  // namespace
}  // namespace leoam::kernels
