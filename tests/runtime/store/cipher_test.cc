#include "runtime/store/cipher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace leoam {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

SecretKey key_of(const Bytes& bytes) {
  return std::move(SecretKey::from_bytes(bytes)).value();
}

struct Sealed {
  Bytes bytes;
  Tag tag;
};

Sealed seal(const Cipher& cipher, const Nonce& nonce, const Bytes& associated, const Bytes& text) {
  Sealed sealed{Bytes(text.size()), {}};
  EXPECT_TRUE(cipher.seal(nonce, associated, text, sealed.bytes.data(), &sealed.tag).ok());
  return sealed;
}

TEST(Cipher, gives_the_bytes_of_the_standard) {
  // AES-256-GCM, test case 16 of the GCM specification by McGrew and Viega.
  const Bytes key = from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Bytes text = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aed"
      "f5aa0d"
      "e657ba637b39");
  const Bytes associated = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  Nonce nonce;
  std::ranges::copy(from_hex("cafebabefacedbaddecaf888"), nonce.begin());
  const auto cipher = Cipher::create(key_of(key));
  ASSERT_TRUE(cipher.ok());
  const Sealed sealed = seal(**cipher, nonce, associated, text);
  EXPECT_EQ(
      from_hex(
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
          "c5f61e6393ba7a0abcc9f662"),
      sealed.bytes);
  const Bytes tag = from_hex("76fc6ece0f4e1768cddf8853bb2d551b");
  EXPECT_TRUE(std::ranges::equal(tag, sealed.tag));
}

TEST(Key, derives_the_bytes_of_the_standard) {
  // HKDF-SHA256 needs an input of 32 bytes here; the value is that of an independent implementation of RFC
  // 5869.
  Bytes input(32);
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<uint8_t>(i);
  const Bytes salt = from_hex("000102030405060708090a0b0c0d0e0f");
  const auto derived = key_of(input).derive(salt, "leoam epoch key 1");
  ASSERT_TRUE(derived.ok());
  EXPECT_TRUE(std::ranges::equal(from_hex("71eb8621c93f467e77281a45038e6df64b311d5237e12663d51ebd089badc100"),
                                 derived->bytes()));
}

TEST(Key, refuses_another_length) {
  const Bytes bytes(31);
  EXPECT_EQ(ErrorKind::invalid_argument, SecretKey::from_bytes(bytes).status().kind());
}

class AnyCipher : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Cipher> make() const {
    if (!GetParam()) return Cipher::create_plaintext();
    return std::move(Cipher::create(std::move(SecretKey::random()).value())).value();
  }
};

TEST_P(AnyCipher, opens_what_it_sealed_and_nothing_else) {
  const auto cipher = make();
  const Nonce nonce{1, 2, 3};
  const Bytes associated{7, 8, 9};
  for (const size_t n : {size_t{0}, size_t{1}, size_t{100}, size_t{24576}}) {
    Bytes text(n);
    for (size_t i = 0; i < n; ++i) text[i] = static_cast<uint8_t>(i * 31);
    const Sealed sealed = seal(*cipher, nonce, associated, text);
    EXPECT_EQ(n > 0 && !cipher->encrypts(), n > 0 && sealed.bytes == text);
    Bytes out(n);
    ASSERT_TRUE(cipher->open(nonce, associated, sealed.bytes.data(), sealed.tag, out).ok());
    EXPECT_EQ(text, out);

    const auto refused = [&](const Nonce& other_nonce, const Bytes& other, const Bytes& bytes,
                             const Tag& tag) {
      return cipher->open(other_nonce, other, bytes.data(), tag, out).kind() == ErrorKind::corrupt;
    };
    EXPECT_TRUE(refused({1, 2, 4}, associated, sealed.bytes, sealed.tag));
    EXPECT_TRUE(refused(nonce, {7, 8, 10}, sealed.bytes, sealed.tag));
    EXPECT_TRUE(refused(nonce, {7, 8}, sealed.bytes, sealed.tag));
    for (size_t i = 0; i < n; i += 1 + n / 50) {
      Bytes changed = sealed.bytes;
      changed[i] ^= 0x10;
      EXPECT_TRUE(refused(nonce, associated, changed, sealed.tag));
    }
    for (size_t i = 0; i < sealed.tag.size(); ++i) {
      Tag changed = sealed.tag;
      changed[i] ^= 1;
      EXPECT_TRUE(refused(nonce, associated, sealed.bytes, changed));
    }
  }
}

TEST_P(AnyCipher, works_in_place_and_in_several_threads) {
  const auto cipher = make();
  std::vector<std::thread> threads;
  for (uint8_t thread = 0; thread < 4; ++thread)
    threads.emplace_back([&cipher, thread] {
      for (uint8_t round = 0; round < 100; ++round) {
        const Bytes text(5000, thread);
        Bytes bytes = text;
        Tag tag;
        ASSERT_TRUE(cipher->seal({thread, round}, {}, bytes, bytes.data(), &tag).ok());
        ASSERT_TRUE(cipher->open({thread, round}, {}, bytes.data(), tag, bytes).ok());
        ASSERT_EQ(text, bytes);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Both, AnyCipher, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "encrypted" : "plaintext"; });

}  // namespace
}  // namespace leoam
