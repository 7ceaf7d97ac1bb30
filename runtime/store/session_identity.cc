#include "runtime/store/session_identity.h"

#include <utility>

#include "runtime/store/checksum.h"
#include "runtime/store/flat.h"
#include "runtime/store/little_endian.h"
#include "runtime/store/schema/identity_generated.h"

namespace leoam {

std::array<uint8_t, 16> SessionIdentity::geometry() const {
  Checksum sum;
  const auto add = [&sum](uint32_t value) {
    std::array<uint8_t, 4> bytes;
    store(bytes.data(), value);
    sum.add(bytes);
  };
  for (const uint32_t value : {n_layers, n_kv_heads, head_dim, n_vocab, static_cast<uint32_t>(kv_type),
                               page_tokens, piece_tokens, page_bytes})
    add(value);
  for (const uint32_t window : windows) add(window);
  return sum.value();
}

Status SessionIdentity::check(ErrorKind kind) const {
  const auto outside = [kind](const char* name, uint64_t value, uint64_t most) {
    return error(kind, "identity: {} expected 1 to {}, found {}", name, most, value);
  };
  if (n_layers == 0 || n_layers > kMostLayers) return outside("n_layers", n_layers, kMostLayers);
  if (page_tokens == 0 || page_tokens > (1u << 20)) return outside("page_tokens", page_tokens, 1u << 20);
  if (page_bytes == 0 || page_bytes > kMostPage_bytes)
    return outside("page_bytes", page_bytes, kMostPage_bytes);
  if (n_vocab == 0 || n_vocab > (1u << 31) - 1) return outside("n_vocab", n_vocab, (1u << 31) - 1);
  if (windows.size() != n_layers)
    return error(kind, "identity: windows of {} layers expected, found {}", n_layers, windows.size());
  if (model_name.size() > kMostName_bytes)
    return error(kind, "identity: model_name of at most {} bytes expected, found {}", kMostName_bytes,
                 model_name.size());
  return {};
}

Status SessionIdentity::check_same(const SessionIdentity& expected) const {
  const auto differs = [](const char* name, uint64_t found, uint64_t wanted) {
    return error(ErrorKind::unsupported, "the session was made with {} {}, this is {}", name, found, wanted);
  };
  if (model != expected.model)
    return error(ErrorKind::unsupported,
                 "the session belongs to another model: it was made with \"{}\", this is \"{}\"", model_name,
                 expected.model_name);
  const std::pair<const char*, uint32_t SessionIdentity::*> fields[] = {
      {"n_layers", &SessionIdentity::n_layers},       {"n_kv_heads", &SessionIdentity::n_kv_heads},
      {"head_dim", &SessionIdentity::head_dim},       {"n_vocab", &SessionIdentity::n_vocab},
      {"page_tokens", &SessionIdentity::page_tokens}, {"piece_tokens", &SessionIdentity::piece_tokens},
      {"page_bytes", &SessionIdentity::page_bytes}};
  for (const auto& [name, field] : fields)
    if (this->*field != expected.*field) return differs(name, this->*field, expected.*field);
  if (kv_type != expected.kv_type)
    return differs("kv_type", static_cast<uint64_t>(kv_type), static_cast<uint64_t>(expected.kv_type));
  for (size_t layer = 0; layer < windows.size() && layer < expected.windows.size(); ++layer)
    if (windows[layer] != expected.windows[layer])
      return differs(fmt::format("a window of layer {} of", layer).c_str(), windows[layer],
                     expected.windows[layer]);
  return {};
}

std::vector<uint8_t> SessionIdentity::encode() const {
  flatbuffers::FlatBufferBuilder builder;
  const auto root =
      schema::CreateIdentityDirect(builder, model_name.c_str(), n_layers, n_kv_heads, head_dim, n_vocab,
                                   kv_type, page_tokens, piece_tokens, page_bytes, &windows);
  builder.Finish(root, schema::IdentityIdentifier());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

Result<SessionIdentity> SessionIdentity::decode(std::span<const uint8_t> bytes) {
  LEOAM_ASSIGN_OR_RETURN(const FlatBytes flat, FlatBytes::copy(bytes));
  const auto* root = flat.root<schema::Identity>(schema::IdentityIdentifier());
  if (!root || !root->model_name() || !root->windows())
    return Status(ErrorKind::corrupt, "identity: not a table of its schema");
  SessionIdentity identity;
  identity.model_name = root->model_name()->str();
  identity.n_layers = root->n_layers();
  identity.n_kv_heads = root->n_kv_heads();
  identity.head_dim = root->head_dim();
  identity.n_vocab = root->n_vocab();
  identity.kv_type = root->kv_type();
  identity.page_tokens = root->page_tokens();
  identity.piece_tokens = root->piece_tokens();
  identity.page_bytes = root->page_bytes();
  identity.windows.assign(root->windows()->begin(), root->windows()->end());
  LEOAM_RETURN_IF_ERROR(identity.check(ErrorKind::corrupt));
  return identity;
}

}  // namespace leoam
