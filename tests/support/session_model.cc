#include "tests/support/session_model.h"

#include <algorithm>
#include <random>

#include "runtime/store/block_buffer.h"

namespace leoam::testing {

SessionIdentity small_identity() {
  SessionIdentity identity;
  identity.model.fill(0x11);
  identity.model_name = "llama test";
  identity.n_layers = 3;
  identity.n_kv_heads = 1;
  identity.head_dim = 8;
  identity.n_vocab = 50;
  identity.page_tokens = 4;
  identity.piece_tokens = 16;
  identity.windows = {0, 8, 0};
  identity.page_bytes = 517;
  return identity;
}

SecretKey test_key(uint8_t fill) {
  const std::vector<uint8_t> bytes(SecretKey::kKey_bytes, fill);
  return std::move(SecretKey::from_bytes(bytes)).value();
}

SessionModel SessionModel::of(const SessionFile& file) {
  SessionModel model(file.info().identity);
  model.tokens_ = model.saved_tokens_ = file.tokens();
  model.n_kept_tokens_ = model.tokens_.size();
  model.layers_ = file.streams();
  return model;
}

void SessionModel::append(uint32_t n_tokens, uint32_t seed) {
  std::mt19937 random(seed);
  for (uint32_t i = 0; i < n_tokens; ++i)
    tokens_.push_back({static_cast<int32_t>(random() % identity_.n_vocab), i == 0 || random() % 4 == 0});
}

void SessionModel::rewind(uint64_t n_tokens) {
  tokens_.resize(std::min<uint64_t>(n_tokens, tokens_.size()));
  n_kept_tokens_ = std::min<uint64_t>(n_kept_tokens_, tokens_.size());
}

std::vector<uint8_t> SessionModel::page(const SessionIdentity& identity,
                                        const std::vector<LoggedToken>& tokens, uint32_t layer,
                                        uint32_t page) {
  // Of the tokens that a wrong page could differ in; all of them would be slow for long contexts.
  constexpr uint64_t kTokens = 256;
  uint64_t hash = layer + 1 + (uint64_t{page} << 16);
  const uint64_t end = std::min<uint64_t>(tokens.size(), (uint64_t{page} + 1) * identity.page_tokens);
  for (uint64_t i = end > kTokens ? end - kTokens : 0; i < end; ++i)
    hash = (hash ^ static_cast<uint64_t>(tokens[i].id + 1)) * 0x9e3779b97f4a7c15;
  std::mt19937_64 random(hash);
  std::vector<uint8_t> bytes(identity.page_bytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

Status SessionModel::write_pages(SessionFile& file) {
  layers_.resize(identity_.n_layers);
  const auto n_pages = static_cast<uint32_t>(tokens_.size() / identity_.page_tokens);
  const uint64_t stored_bytes = PageFile::stored_bytes(identity_.page_bytes);
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer blocks, BlockBuffer::create(stored_bytes));
  const auto n_unchanged = static_cast<uint32_t>(n_kept_tokens_ / identity_.page_tokens);
  for (uint32_t layer = 0; layer < identity_.n_layers; ++layer) {
    StreamIndex& index = layers_[layer];
    const auto drop = [&](const PageRecord& record) {
      if (record.present()) file.free(record.offset_bytes, identity_.page_bytes, 1);
    };
    while (!index.pages.empty() && index.first_page + index.pages.size() > n_unchanged &&
           index.first_page + index.pages.size() > 0) {
      drop(index.pages.back());
      index.pages.pop_back();
    }
    const uint32_t window_pages =
        identity_.windows[layer] ? identity_.windows[layer] / identity_.page_tokens + 1 : n_pages;
    const uint32_t first_page = n_pages > window_pages ? n_pages - window_pages : 0;
    while (!index.pages.empty() && index.first_page < first_page) {
      drop(index.pages.front());
      index.pages.erase(index.pages.begin());
      ++index.first_page;
    }
    if (index.pages.empty()) index.first_page = first_page;
    for (uint32_t page = index.first_page + static_cast<uint32_t>(index.pages.size()); page < n_pages;
         ++page) {
      PageRecord record;
      LEOAM_ASSIGN_OR_RETURN(record.offset_bytes, file.allocate(identity_.page_bytes, 1));
      const std::vector<uint8_t> bytes = SessionModel::page(identity_, tokens_, layer, page);
      Status status = file.seal({0, layer, page}, bytes, blocks.data(), &record);
      if (status.ok()) status = file.file().write_at(record.offset_bytes, blocks.span());
      if (!status.ok()) {
        drop(record);
        return status;
      }
      index.pages.push_back(record);
    }
  }
  return {};
}

Status SessionModel::save(SessionFile& file, bool with_logits) {
  LEOAM_RETURN_IF_ERROR(write_pages(file));
  SessionCommit commit;
  commit.n_kept_tokens = n_kept_tokens_;
  commit.tokens = std::span(tokens_).subspan(n_kept_tokens_);
  commit.n_kv_tokens = tokens_.size() / identity_.page_tokens * identity_.page_tokens;
  commit.streams = layers_;
  const std::vector<float> logits(with_logits ? identity_.n_vocab : 0, static_cast<float>(tokens_.size()));
  commit.logits = logits;
  LEOAM_RETURN_IF_ERROR(file.commit(commit));
  saved_tokens_ = tokens_;
  n_kept_tokens_ = tokens_.size();
  return {};
}

SessionModel::Comparison SessionModel::compare(const SessionFile& file) {
  Comparison comparison;
  const SessionIdentity identity = file.info().identity;
  const auto blocks = BlockBuffer::create(PageFile::stored_bytes(identity.page_bytes));
  std::vector<uint8_t> bytes(identity.page_bytes);
  for (uint32_t layer = 0; layer < identity.n_layers; ++layer) {
    const StreamIndex& index = file.streams()[layer];
    for (uint32_t i = 0; i < index.pages.size(); ++i) {
      const uint32_t page = index.first_page + i;
      const PageRecord& record = index.pages[i];
      // Of a page that is used in part, the rest is of other tokens.
      if ((uint64_t{page} + 1) * identity.page_tokens > file.info().n_kv_tokens) continue;
      if (!record.present()) {
        ++comparison.n_missing_pages;
      } else if (!const_cast<SessionFile&>(file).file().read_at(record.offset_bytes, blocks->span()).ok() ||
                 !file.open({0, layer, page}, record, blocks->data(), bytes).ok()) {
        ++comparison.n_bad_pages;
      } else if (bytes == SessionModel::page(identity, file.tokens(), layer, page)) {
        ++comparison.n_good_pages;
      } else {
        ++comparison.n_wrong_pages;
      }
    }
  }
  return comparison;
}

std::string describe(const std::vector<LoggedToken>& tokens) {
  std::string text = fmt::format("{} tokens:", tokens.size());
  for (const LoggedToken& token : tokens)
    text += fmt::format(" {}{}", token.id, token.starts_pass ? "*" : "");
  return text;
}

}  // namespace leoam::testing
