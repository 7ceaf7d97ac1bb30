// Reading well-formed files: every value type, both versions, lookups, the tensor table.
#include "runtime/model/gguf.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/memory_file.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {
namespace {

using kernels::WeightType;

Gguf read(const GgufFile& file) {
  auto gguf = Gguf::read(MemoryFile(file.bytes()));
  EXPECT_TRUE(gguf.ok()) << gguf.status().message();
  return gguf.ok() ? std::move(gguf).value() : Gguf();
}

GgufFile every_type() {
  GgufFile file;
  file.set("u8", uint8_t{200});
  file.set("i8", int8_t{-100});
  file.set("u16", uint16_t{60000});
  file.set("i16", int16_t{-30000});
  file.set("u32", uint32_t{4000000000});
  file.set("i32", int32_t{-2000000000});
  file.set("f32", 1.5f);
  file.set("bool", true);
  file.set("string", "text with \xE2\x82\xAC");
  file.set("empty", "");
  file.set("u64", UINT64_MAX);
  file.set("i64", std::numeric_limits<int64_t>::min());
  file.set("f64", 0.1);
  file.set_array<int16_t>("ints", {1, -2, 3});
  file.set_array<double>("floats", {0.5, 1e10});
  file.set_array<bool>("bools", {true, false, true});
  file.set_strings("strings", {"a", "", "ccc"});
  file.set_array<uint32_t>("nothing", {});
  return file;
}

TEST(Gguf, ReadsBothVersions) {
  for (const uint32_t version : {2u, 3u}) {
    GgufFile file = every_type();
    file.version = version;
    const Gguf gguf = read(file);
    EXPECT_EQ(gguf.version(), version);
    EXPECT_EQ(gguf.values().size(), file.keys.size());
    EXPECT_EQ(gguf.file_bytes(), file.bytes().size());
  }
}

TEST(Gguf, ReadsAFileOfNothing) {
  const Gguf gguf = read(GgufFile());
  EXPECT_TRUE(gguf.values().empty());
  EXPECT_TRUE(gguf.tensors().empty());
  EXPECT_EQ(gguf.weight_bytes(), 0u);
  EXPECT_EQ(gguf.find("x"), nullptr);
  EXPECT_EQ(gguf.find_tensor("x"), nullptr);
}

TEST(Gguf, FindsScalarsOfEveryType) {
  const Gguf gguf = read(every_type());
  EXPECT_EQ(**gguf.find_uint("u8", 0, 255), 200u);
  EXPECT_EQ(**gguf.find_uint("u16", 0, 65535), 60000u);
  EXPECT_EQ(**gguf.find_uint("u32", 0, UINT32_MAX), 4000000000u);
  EXPECT_EQ(**gguf.find_uint("u64", 0, UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(**gguf.find_float("f32"), 1.5f);
  EXPECT_EQ(**gguf.find_float("f64"), 0.1f);
  EXPECT_EQ(**gguf.find_bool("bool"), true);
  EXPECT_EQ(**gguf.find_string("string"), "text with \xE2\x82\xAC");
  EXPECT_EQ(**gguf.find_string("empty"), "");
}

TEST(Gguf, AbsentKeysAreNothing) {
  const Gguf gguf = read(every_type());
  EXPECT_FALSE(gguf.find_uint("absent", 0, 1)->has_value());
  EXPECT_FALSE(gguf.find_float("absent")->has_value());
  EXPECT_FALSE(gguf.find_bool("absent")->has_value());
  EXPECT_FALSE(gguf.find_string("absent")->has_value());
  EXPECT_TRUE(gguf.find_ints("absent", 9)->empty());
  EXPECT_EQ(gguf.find_strings("absent", 9)->left(), 0u);
}

TEST(Gguf, NegativeAndLargeIntegersDoNotFit) {
  const Gguf gguf = read(every_type());
  for (const char* key : {"i8", "i16", "i32", "i64"}) {
    const auto found = gguf.find_uint(key, 0, UINT64_MAX);
    ASSERT_FALSE(found.ok()) << key;
    EXPECT_EQ(found.status().kind(), ErrorKind::corrupt);
    EXPECT_NE(found.status().message().find("found -"), std::string::npos) << found.status().message();
  }
  EXPECT_FALSE(gguf.find_uint("u64", 0, UINT32_MAX).ok());
  EXPECT_FALSE(gguf.find_uint("u8", 201, 255).ok());
}

TEST(Gguf, WrongTypesAreNamed) {
  const Gguf gguf = read(every_type());
  const auto message = [](const auto& result) { return result.ok() ? "" : result.status().message(); };
  const auto offset = std::to_string(gguf.find("f32")->offset_bytes);
  EXPECT_EQ(message(gguf.find_uint("f32", 0, 1)),
            "f32 at offset " + offset + ": expected an integer, found f32");
  EXPECT_NE(message(gguf.find_float("u32")).find("a float, found u32"), std::string::npos);
  EXPECT_NE(message(gguf.find_bool("u8")).find("expected bool, found u8"), std::string::npos);
  EXPECT_NE(message(gguf.find_string("strings")).find("found array of string"), std::string::npos);
  EXPECT_NE(message(gguf.find_ints("strings", 9)).find("array of integers"), std::string::npos);
  EXPECT_NE(message(gguf.find_strings("ints", 9)).find("found array of i16"), std::string::npos);
  EXPECT_NE(message(gguf.find_floats("ints", 9)).find("array of floats"), std::string::npos);
  EXPECT_NE(message(gguf.find_ints("ints", 2)).find("ints count"), std::string::npos);
}

TEST(Gguf, FindsArrays) {
  const Gguf gguf = read(every_type());
  EXPECT_EQ(*gguf.find_ints("ints", 3), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(*gguf.find_floats("floats", 2), (std::vector<float>{0.5f, 1e10f}));
  EXPECT_EQ(*gguf.find_bools("bools", 3), (std::vector<bool>{true, false, true}));
  EXPECT_TRUE(gguf.find_ints("nothing", 0)->empty());
  GgufStrings strings = *gguf.find_strings("strings", 3);
  EXPECT_EQ(strings.next(), "a");
  EXPECT_EQ(strings.next(), "");
  EXPECT_EQ(strings.next(), "ccc");
  EXPECT_EQ(strings.left(), 0u);
}

TEST(Gguf, PrintsValues) {
  GgufFile file = every_type();
  file.set("escape", "a\x1B[0m\xFFz");
  file.set_array<uint8_t>("long", std::vector<uint8_t>(100, 7));
  file.set("huge", std::string(1u << 20, 'x'));
  const Gguf gguf = read(file);
  const auto print = [&](const char* key) { return gguf.print(*gguf.find(key)); };
  EXPECT_EQ(print("i64"), "-9223372036854775808");
  EXPECT_EQ(print("u64"), "18446744073709551615");
  EXPECT_EQ(print("f64"), "0.1");
  EXPECT_EQ(print("bool"), "true");
  EXPECT_EQ(print("strings"), "[a, , ccc]");
  EXPECT_EQ(print("escape"), "a\\x1b[0m\\xffz");
  EXPECT_EQ(print("long"), "[7, 7, 7, 7, 7, 7, 7, 7, ... 100 in all]");
  EXPECT_LT(print("huge").size(), 17u << 10);
}

TEST(Gguf, ReadsTheTensorTable) {
  GgufFile file;
  file.add_tensor("a", {256, 2, 3, 1}, WeightType::q4_k, std::vector<uint8_t>(144 * 6));
  file.add_tensor("b", {5}, WeightType::f16, std::vector<uint8_t>(10));
  file.add_tensor(std::string(63, 'c'), {32, 1}, WeightType::q8_0, std::vector<uint8_t>(34));
  const Gguf gguf = read(file);
  const GgufTensor* a = gguf.find_tensor("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->n_dims, 4u);
  EXPECT_EQ(a->n_values(), 256u * 6);
  EXPECT_EQ(a->bytes, 144u * 6);
  EXPECT_EQ(a->row_bytes(), 144u);
  EXPECT_EQ(a->offset_bytes, gguf.data_offset_bytes());
  EXPECT_EQ(a->offset_bytes % 32, 0u);
  EXPECT_EQ(gguf.find_tensor("b")->offset_bytes, a->offset_bytes + 864);
  ASSERT_NE(gguf.find_tensor(std::string(63, 'c')), nullptr);
  EXPECT_EQ(gguf.weight_bytes(), 864u + 10 + 34);
  EXPECT_EQ(gguf.trailing_bytes(), 0u);
}

TEST(Gguf, AcceptsOtherAlignments) {
  for (const uint32_t alignment : {1u, 8u, 64u, 4096u, 1u << 20}) {
    GgufFile file;
    file.alignment = alignment;
    file.set("general.alignment", alignment);
    file.add_tensor("a", {3}, WeightType::f32, std::vector<uint8_t>(12, 1));
    file.add_tensor("b", {3}, WeightType::f32, std::vector<uint8_t>(12, 2));
    const std::vector<uint8_t> bytes = file.bytes();
    const Gguf gguf = read(file);
    ASSERT_NE(gguf.find_tensor("b"), nullptr) << alignment;
    EXPECT_EQ(bytes[gguf.find_tensor("b")->offset_bytes], 2);
  }
}

TEST(Gguf, AcceptsGapsTrailingBytesAndAnUnpaddedEnd) {
  GgufFile file;
  file.add_tensor("a", {3}, WeightType::f32, std::vector<uint8_t>(12, 1));
  file.pads_last_tensor = false;
  EXPECT_EQ(read(file).trailing_bytes(), 0u);
  file.pads_last_tensor = true;
  file.trailing.resize(100);
  EXPECT_EQ(read(file).trailing_bytes(), 100u);
  file.tensors[0].offset = 64;
  EXPECT_EQ(read(file).find_tensor("a")->offset_bytes % 64, read(file).data_offset_bytes() % 64);
}

TEST(Gguf, ReadsLongHeadersInPieces) {
  GgufFile file;
  std::vector<std::string> words;
  for (int i = 0; i < 200000; ++i) words.push_back("word" + std::to_string(i));
  file.set_strings("words", words);
  file.set("last", uint32_t{7});
  const Gguf gguf = read(file);
  GgufStrings found = *gguf.find_strings("words", UINT64_MAX);
  ASSERT_EQ(found.left(), words.size());
  for (const std::string& word : words) ASSERT_EQ(found.next(), word);
  EXPECT_EQ(**gguf.find_uint("last", 0, 9), 7u);
}

TEST(Gguf, FailedReadsAreReported) {
  class BrokenFile final : public File {
   public:
    uint64_t size_bytes() const override { return 1000; }
    Status read_at(uint64_t, std::span<uint8_t>) const override { return Status(ErrorKind::io, "cable"); }
  };
  const auto gguf = Gguf::read(BrokenFile());
  ASSERT_FALSE(gguf.ok());
  EXPECT_EQ(gguf.status().kind(), ErrorKind::io);
}

}  // namespace
}  // namespace leoam::testing
