// Files whose container is broken: counts, lengths, types, names, dims, offsets.
#include "runtime/model/gguf.h"
#include "tests/runtime/model/malformed.h"

namespace leoam::testing {
namespace {

using kernels::WeightType;

constexpr uint64_t kHuge = UINT64_MAX;
constexpr ErrorKind kUnsupported = ErrorKind::unsupported;
constexpr const char* kQ = "blk.0.attn_q.weight";
constexpr const char* kK = "blk.0.attn_k.weight";

std::vector<uint8_t> raw_u64(uint64_t value) {
  std::vector<uint8_t> out;
  append_raw(&out, value);
  return out;
}

void set_string_length(GgufFile& file, const std::string& key, uint64_t length) {
  std::memcpy(file.key(key).payload.data(), &length, sizeof(length));
}

// An array of `depth` arrays, each with one element.
std::vector<uint8_t> nested_arrays(int depth) {
  std::vector<uint8_t> out;
  for (int i = 0; i < depth; ++i) {
    append_raw(&out, uint32_t{9});
    append_raw(&out, uint64_t{1});
  }
  return out;
}

const Malformed kContainer[] = {
    {"magic_of_ggml", [](GgufFile& f) { f.magic = "GGML"; }, "magic at offset 0: expected \"GGUF\""},
    {"magic_reversed", [](GgufFile& f) { f.magic = "FUGG"; }, "magic at offset 0"},
    {"magic_zero", [](GgufFile& f) { f.magic = std::string(4, '\0'); }, "magic at offset 0"},
    {"magic_lower_case", [](GgufFile& f) { f.magic = "gguf"; }, "found \"gguf\""},
    {"version_0", [](GgufFile& f) { f.version = 0; }, "version at offset 4"},
    {"version_1", [](GgufFile& f) { f.version = 1; }, "version at offset 4", kUnsupported},
    {"version_4", [](GgufFile& f) { f.version = 4; }, "newer than this library", kUnsupported},
    {"version_3_big_endian", [](GgufFile& f) { f.version = 3u << 24; }, "big-endian", kUnsupported},
    {"version_2_big_endian", [](GgufFile& f) { f.version = 2u << 24; }, "big-endian", kUnsupported},
    {"version_all_ones", [](GgufFile& f) { f.version = UINT32_MAX; }, "version at offset 4", kUnsupported},

    {"tensor_count_minus_1", [](GgufFile& f) { f.n_tensors = kHuge; }, "tensor count at offset 8"},
    {"tensor_count_negative", [](GgufFile& f) { f.n_tensors = 1ull << 63; }, "tensor count at offset 8"},
    {"tensor_count_2_32", [](GgufFile& f) { f.n_tensors = 1ull << 32; }, "tensor count at offset 8"},
    {"tensor_count_above_room", [](GgufFile& f) { f.n_tensors = f.bytes().size() / 33 + 1; }, "tensor count"},
    {"tensor_count_wraps_times_record", [](GgufFile& f) { f.n_tensors = kHuge / 33 + 2; }, "tensor count"},
    {"tensor_count_one_less", [](GgufFile& f) { f.n_tensors = f.tensors.size() - 1; },
     "tensor output_norm.weight"},
    {"tensor_count_one_more", [](GgufFile& f) { f.n_tensors = f.tensors.size() + 1; }, "tensor name["},
    {"tensor_count_above_limit",
     [](GgufFile& f) {
       f.n_tensors = (1u << 16) + 1;
       f.trailing.resize(4u << 20);
     },
     "expected at most 65536"},
    {"value_count_minus_1", [](GgufFile& f) { f.n_values = kHuge; }, "value count at offset 16"},
    {"value_count_negative", [](GgufFile& f) { f.n_values = 1ull << 63; }, "value count at offset 16"},
    {"value_count_above_room", [](GgufFile& f) { f.n_values = f.bytes().size() / 14 + 1; }, "value count"},
    {"value_count_wraps_times_record", [](GgufFile& f) { f.n_values = kHuge / 14 + 2; }, "value count"},
    {"value_count_one_less", [](GgufFile& f) { f.n_values = f.keys.size() - 1; }, ""},
    {"value_count_one_more", [](GgufFile& f) { f.n_values = f.keys.size() + 1; }, "tensor name[0]"},
    {"value_count_zero", [](GgufFile& f) { f.n_values = 0; }, ""},

    {"key_length_above_limit", [](GgufFile& f) { f.keys[1].key_length = 1u << 16; }, "key[1] length"},
    {"key_length_minus_1", [](GgufFile& f) { f.keys[1].key_length = kHuge; }, "key[1] length"},
    {"key_length_negative", [](GgufFile& f) { f.keys[1].key_length = 1ull << 63; }, "key[1] length"},
    {"key_length_beyond_file",
     [](GgufFile& f) {
       f.tensors.clear();
       f.keys[1].key_length = 60000;
     },
     "key[1]"},
    {"key_empty", [](GgufFile& f) { f.keys[2].key = ""; }, "key[2]"},
    {"key_with_nul", [](GgufFile& f) { f.keys[2].key = std::string("a\0b", 3); }, "key[2]"},
    {"key_not_utf8", [](GgufFile& f) { f.keys[2].key = "a\xFF"; }, "key[2]"},
    {"key_overlong_utf8", [](GgufFile& f) { f.keys[2].key = "a\xC0\xAF"; }, "expected UTF-8"},
    {"key_surrogate", [](GgufFile& f) { f.keys[2].key = "\xED\xA0\x80"; }, "key[2]"},
    {"key_twice", [](GgufFile& f) { f.keys.push_back(f.keys[0]); }, "general.architecture again"},
    {"key_twice_in_a_row", [](GgufFile& f) { f.keys.insert(f.keys.begin() + 1, f.keys[1]); },
     "key at offset"},

    {"value_type_13", [](GgufFile& f) { f.keys[1].type = 13; }, "general.name type"},
    {"value_type_255", [](GgufFile& f) { f.keys[1].type = 255; }, "found 255"},
    {"value_type_minus_1", [](GgufFile& f) { f.keys[1].type = UINT32_MAX; }, "general.name type"},
    {"array_of_type_13", [](GgufFile& f) { f.set_array_raw("x", 13, 1, {0}); }, "x element type"},
    {"array_of_arrays", [](GgufFile& f) { f.set_array_raw("x", 9, 1, nested_arrays(1)); }, "x element type",
     kUnsupported},
    {"array_nested_100000_deep", [](GgufFile& f) { f.set_array_raw("x", 9, 1, nested_arrays(100000)); },
     "x element type", kUnsupported},
    {"bool_2", [](GgufFile& f) { f.set_raw("x", 7, {2}); }, "x at offset"},
    {"bool_255", [](GgufFile& f) { f.set_raw("x", 7, {255}); }, "a boolean (0 or 1), found 255"},
    {"bool_3_in_array",
     [](GgufFile& f) {
       f.set_array_raw("x", 7, 3, {0, 1, 3});
     },
     "x[2] at offset"},

    {"string_length_minus_1", [](GgufFile& f) { set_string_length(f, "general.name", kHuge); },
     "general.name length"},
    {"string_length_negative", [](GgufFile& f) { set_string_length(f, "general.name", 1ull << 63); },
     "general.name length"},
    {"string_length_above_limit", [](GgufFile& f) { set_string_length(f, "general.name", (16u << 20) + 1); },
     "at most 16777216"},
    {"string_length_beyond_file", [](GgufFile& f) { set_string_length(f, "general.name", 10u << 20); },
     "left in the file"},
    {"string_length_in_array", [](GgufFile& f) { f.set_array_raw("x", 8, 1, raw_u64(kHuge)); },
     "x[0] length"},
    {"string_in_array_beyond_file", [](GgufFile& f) { f.set_array_raw("x", 8, 1, raw_u64(9u << 20)); },
     "x[0]"},
    {"array_count_minus_1", [](GgufFile& f) { f.set_array_raw("x", 0, kHuge, {}); }, "x count"},
    {"array_count_wraps_times_8", [](GgufFile& f) { f.set_array_raw("x", 10, 1ull << 61, {}); }, "x count"},
    {"array_count_wraps_times_4", [](GgufFile& f) { f.set_array_raw("x", 5, (1ull << 62) + 1, {}); },
     "x count"},
    {"array_count_beyond_file", [](GgufFile& f) { f.set_array_raw("x", 6, 10u << 20, {}); }, "x count"},
    {"array_of_2_60_strings", [](GgufFile& f) { f.set_array_raw("x", 8, 1ull << 60, {}); }, "x count"},

    {"alignment_0", [](GgufFile& f) { f.set("general.alignment", uint32_t{0}); }, "general.alignment"},
    {"alignment_3", [](GgufFile& f) { f.set("general.alignment", uint32_t{3}); }, "a power of two"},
    {"alignment_48", [](GgufFile& f) { f.set("general.alignment", uint32_t{48}); }, "general.alignment"},
    {"alignment_2_mib", [](GgufFile& f) { f.set("general.alignment", uint32_t{2} << 20); },
     "general.alignment"},
    {"alignment_2_31", [](GgufFile& f) { f.set("general.alignment", 1u << 31); }, "general.alignment"},
    {"alignment_i32", [](GgufFile& f) { f.set("general.alignment", int32_t{32}); },
     "expected u32, found i32"},
    {"alignment_u64", [](GgufFile& f) { f.set("general.alignment", uint64_t{32}); },
     "expected u32, found u64"},
    {"alignment_string", [](GgufFile& f) { f.set("general.alignment", "32"); }, "expected u32, found string"},
    {"alignment_array", [](GgufFile& f) { f.set_array<uint32_t>("general.alignment", {32}); },
     "array of u32"},
    {"alignment_not_kept", [](GgufFile& f) { f.set("general.alignment", uint32_t{4096}); },
     "a multiple of 4096"},

    {"tensor_name_64_bytes", [](GgufFile& f) { f.tensors[1].name = std::string(64, 'x'); },
     "tensor name[1] length"},
    {"tensor_name_empty", [](GgufFile& f) { f.tensors[1].name = ""; }, "tensor name[1]"},
    {"tensor_name_with_nul", [](GgufFile& f) { f.tensors[1].name = std::string(3, '\0'); }, "tensor name[1]"},
    {"tensor_name_not_utf8", [](GgufFile& f) { f.tensors[1].name = "\x80"; }, "tensor name[1]"},
    {"tensor_name_length_negative", [](GgufFile& f) { f.tensors[1].name_length = 1ull << 63; },
     "tensor name[1]"},
    {"tensor_name_twice", [](GgufFile& f) { f.tensor(kK).name = kQ; }, "blk.0.attn_q.weight again"},
    {"n_dims_0", [](GgufFile& f) { f.tensor(kQ).n_dims = 0; }, "blk.0.attn_q.weight n_dims"},
    {"n_dims_5",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {2, 2, 2, 2, 2};
     },
     "expected 1 to 4, found 5"},
    {"n_dims_2_31", [](GgufFile& f) { f.tensor(kQ).n_dims = 1u << 31; }, "n_dims"},
    {"n_dims_minus_1", [](GgufFile& f) { f.tensor(kQ).n_dims = UINT32_MAX; }, "n_dims"},
    {"dim_0_zero",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {0, 64};
     },
     "blk.0.attn_q.weight dims[0]"},
    {"dim_1_zero",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {64, 0};
     },
     "blk.0.attn_q.weight dims[1]"},
    {"dim_minus_1",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {kHuge, 64};
     },
     "dims[0]"},
    {"dim_smallest_int",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {64, 1ull << 63};
     },
     "dims[1]"},
    {"dims_2_32_times_2_32",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {1ull << 32, 1ull << 32};
     },
     "product of dims"},
    {"dims_wrap_to_64",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {1ull << 62, 1ull << 62, 64};
     },
     "product of dims"},
    {"dims_product_2_63",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {1ull << 62, 2};
     },
     "product of dims"},
    {"dim_2_42_plus_1", [](GgufFile& f) { f.tensor(kQ).dims = {(1ull << 42) + 1}; }, "size"},
    {"bytes_wrap", [](GgufFile& f) { f.tensor(kQ).dims = {1ull << 62}; }, "blk.0.attn_q.weight size"},
    {"bytes_wrap_near_the_end", [](GgufFile& f) { f.tensor(kQ).dims = {INT64_MAX}; },
     "blk.0.attn_q.weight size"},
    {"bytes_above_file",
     [](GgufFile& f) {
       f.tensor(kQ).dims = {64, 1u << 20};
     },
     "blk.0.attn_q.weight size"},
    {"row_not_blocks_of_32",
     [](GgufFile& f) {
       f.tensor(kQ).type = static_cast<uint32_t>(WeightType::q4_0);
       f.tensor(kQ).dims = {48, 64};
     },
     "a multiple of 32 (q4_0)"},
    {"row_not_blocks_of_256",
     [](GgufFile& f) { f.tensor(kQ).type = static_cast<uint32_t>(WeightType::q6_k); },
     "a multiple of 256 (q6_k)"},
    {"tensor_type_minus_1", [](GgufFile& f) { f.tensor(kQ).type = UINT32_MAX; }, "a tensor type, found -1"},
    {"tensor_type_1000", [](GgufFile& f) { f.tensor(kQ).type = 1000; }, "blk.0.attn_q.weight type"},
    {"tensor_type_int_min", [](GgufFile& f) { f.tensor(kQ).type = 1u << 31; }, "blk.0.attn_q.weight type"},
    {"tensor_type_removed_q4_2", [](GgufFile& f) { f.tensor(kQ).type = 4; }, "removed", kUnsupported},
    {"tensor_type_removed_q4_0_4_4", [](GgufFile& f) { f.tensor(kQ).type = 31; }, "removed", kUnsupported},
    {"tensor_type_iq2_xxs", [](GgufFile& f) { f.tensor(kQ).type = 16; }, "16 (iq2_xxs)", kUnsupported},
    {"tensor_type_i8", [](GgufFile& f) { f.tensor(kQ).type = 24; }, "24 (i8)", kUnsupported},

    {"offset_misaligned", [](GgufFile& f) { f.tensor(kK).offset = 100001; }, "a multiple of 32"},
    {"offset_of_the_tensor_before", [](GgufFile& f) { f.tensors[2].offset = 0; },
     "the end of the tensor before"},
    {"offsets_descending", [](GgufFile& f) { f.tensors[0].offset = 65536; }, "blk.0.attn_norm.weight offset"},
    {"offset_beyond_file", [](GgufFile& f) { f.tensors.back().offset = 1ull << 40; },
     "output_norm.weight offset"},
    {"offset_negative", [](GgufFile& f) { f.tensors.back().offset = 1ull << 63; },
     "output_norm.weight offset"},
    {"offset_wraps", [](GgufFile& f) { f.tensors.back().offset = kHuge - 31; }, "output_norm.weight offset"},
    {"offset_wraps_first", [](GgufFile& f) { f.tensors[0].offset = kHuge - 31; }, "token_embd.weight offset"},
    {"last_data_short_by_1_byte",
     [](GgufFile& f) {
       f.pads_last_tensor = false;
       f.tensors.back().data.pop_back();
     },
     "output_norm.weight data"},
    {"last_data_missing", [](GgufFile& f) { f.tensors.back().data.clear(); }, "output_norm.weight data"},
    {"all_data_missing",
     [](GgufFile& f) {
       for (GgufTensorRecord& tensor : f.tensors) tensor.data.clear();
     },
     ""},
};

class MalformedContainer : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedContainer, IsRefused) {
  expect_refused(TinyModelOptions(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(Gguf, MalformedContainer, ::testing::ValuesIn(kContainer), malformed_name);

// The header of more values than the limit, and of more bytes.
TEST(MalformedContainer, ManyValues) {
  GgufFile file;
  for (uint32_t i = 0; i < (1u << 16) + 1; ++i) {
    GgufKeyRecord record;
    record.key = std::to_string(i);
    record.payload = {0};
    file.keys.push_back(std::move(record));
  }
  expect_refused(file.bytes(), ErrorKind::corrupt, "value count at offset 16: expected at most 65536");
}

TEST(MalformedContainer, HeaderBeyondLimit) {
  GgufFile file;
  const std::string text(12u << 20, 'x');
  for (const char* key : {"a", "b", "c"}) file.set(key, text);
  expect_refused(file.bytes(), kUnsupported, "c at offset");
}

TEST(MalformedContainer, EveryTruncation) {
  TinyModelOptions options;
  options.n_layers = 1;
  options.tokenizer = TinyTokenizer::sentencepiece;
  const GgufFile file = tiny_model(options);
  const std::vector<uint8_t> whole = file.bytes();
  ASSERT_TRUE(read_all(whole).ok());
  const size_t header_bytes = file.header_bytes();
  // Every byte of the header, and a sample of the data.
  for (size_t size = 0; size < whole.size(); size += size < header_bytes + 64 ? 1 : 997) {
    const Status status = read_all({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    ASSERT_FALSE(status.ok()) << size << " of " << whole.size();
    ASSERT_EQ(status.kind(), ErrorKind::corrupt) << size << ": " << status.message();
  }
}

// One byte changed anywhere in the header: never a crash, whatever the verdict.
TEST(MalformedContainer, EveryByteChanged) {
  TinyModelOptions options;
  options.n_layers = 1;
  const GgufFile file = tiny_model(options);
  const std::vector<uint8_t> whole = file.bytes();
  const size_t header_bytes = file.header_bytes();
  for (size_t at = 0; at < header_bytes; ++at)
    for (const uint8_t mask : {uint8_t{0x01}, uint8_t{0x80}, uint8_t{0xFF}}) {
      std::vector<uint8_t> changed = whole;
      changed[at] = static_cast<uint8_t>(changed[at] ^ mask);
      const Status status = read_all(changed);
      ASSERT_EQ(status.ok(), status.message().empty());
    }
}

}  // namespace
}  // namespace leoam::testing
