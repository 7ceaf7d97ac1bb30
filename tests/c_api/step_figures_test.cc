// What a session tells about its newest step: arrays of structs that the caller sized.
#include <cstring>

#include "tests/c_api/fixture.h"

namespace leoam_test {
namespace {

class StepFigures : public ::testing::Test {
 protected:
  StepFigures() : loaded_(file_->path()) {
    leoam_model_info info = zeroed<leoam_model_info>();
    LEOAM_EXPECT_OK(leoam_model_get_info(loaded_.model, &info, &error));
    n_layers_ = info.n_layers;
    n_heads_ = info.n_heads;
    const std::vector<int32_t> tokens = loaded_.tokens("some words");
    auto options = zeroed<leoam_evaluate_options>();
    options.flags = LEOAM_EVALUATE_AUDIT;
    LEOAM_EXPECT_OK(leoam_session_evaluate(loaded_.session, tokens.data(), tokens.size(), &options, &error));
  }

  std::unique_ptr<ModelFile> file_ = small_model();
  Loaded loaded_;
  uint64_t n_layers_ = 0, n_heads_ = 0;
  leoam_error error = zeroed<leoam_error>();
};

TEST_F(StepFigures, HeadsThatAttendToEverythingHaveCapturedAllOfIt) {
  std::vector<leoam_head_attention> heads(n_layers_ * n_heads_, zeroed<leoam_head_attention>());
  LEOAM_ASSERT_OK(leoam_session_copy_attention(loaded_.session, heads.data(), heads.size(), &error));
  for (const leoam_head_attention& head : heads) {
    EXPECT_EQ(1, head.coverage);
    EXPECT_EQ(1, head.captured);
    EXPECT_EQ(1, head.attended_share);
  }
}

TEST_F(StepFigures, LayersFollowEachOther) {
  std::vector<leoam_layer_times> layers(n_layers_, zeroed<leoam_layer_times>());
  LEOAM_ASSERT_OK(leoam_session_copy_layer_times(loaded_.session, layers.data(), layers.size(), &error));
  for (uint32_t i = 0; i < n_layers_; ++i) {
    EXPECT_EQ(i, layers[i].layer);
    EXPECT_GE(layers[i].begin_us, i > 0 ? layers[i - 1].end_us : 0);
    EXPECT_GE(layers[i].end_us, layers[i].begin_us);
    EXPECT_EQ(0u, layers[i].waiting_us + layers[i].demand_bytes + layers[i].ahead_bytes);
  }
}

// As callers of another version see them.
TEST_F(StepFigures, TheSizeOfTheFirstIsTheStride) {
  for (const uint32_t stride : {12u, 96u}) {
    std::vector<unsigned char> bytes(stride * n_layers_, 0xAA);
    for (uint64_t i = 0; i < n_layers_; ++i) std::memcpy(&bytes[i * stride], &stride, sizeof stride);
    auto* layers = reinterpret_cast<leoam_layer_times*>(bytes.data());
    LEOAM_ASSERT_OK(leoam_session_copy_layer_times(loaded_.session, layers, n_layers_, &error));
    for (uint32_t i = 0; i < n_layers_; ++i) {
      uint32_t found[2];
      std::memcpy(found, &bytes[i * stride], sizeof found);
      EXPECT_EQ(stride, found[0]);
      EXPECT_EQ(i, found[1]);
      EXPECT_TRUE(stride < sizeof(leoam_layer_times) || bytes[(i + 1) * stride - 1] == 0);
    }
  }
}

TEST_F(StepFigures, WhatDoesNotFitIsRefused) {
  std::vector<leoam_head_attention> heads(n_layers_ * n_heads_, zeroed<leoam_head_attention>());
  std::vector<leoam_layer_times> layers(n_layers_, zeroed<leoam_layer_times>());
  const auto expect_refusal = [](leoam_status status) { EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, status); };
  expect_refusal(leoam_session_copy_attention(loaded_.session, heads.data(), heads.size() - 1, &error));
  expect_refusal(leoam_session_copy_attention(loaded_.session, nullptr, heads.size(), &error));
  expect_refusal(leoam_session_copy_layer_times(loaded_.session, layers.data(), n_layers_ + 1, &error));
  expect_refusal(leoam_session_copy_layer_times(loaded_.session, nullptr, n_layers_, &error));
  heads.back().struct_size += 4;
  expect_refusal(leoam_session_copy_attention(loaded_.session, heads.data(), heads.size(), &error));
  layers.front().struct_size = 0;
  expect_refusal(leoam_session_copy_layer_times(loaded_.session, layers.data(), n_layers_, &error));
}

}  // namespace
}  // namespace leoam_test
