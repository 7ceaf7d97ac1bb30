#include <algorithm>

#include "runtime/model/model_identity.h"
#include "runtime/model/model_source.h"
#include "runtime/model/weight_reader.h"

namespace leoam {

class ModelLoader {
 public:
  ModelLoader(const File& file, Device& device, ThreadPool& pool, const LoadProgress& progress,
              const CancelFlag* cancel)
      : file_(file), device_(device), pool_(pool), progress_(progress), cancel_(cancel) {}

  Result<std::unique_ptr<Model>> load(const ModelOptions& options) {
    LEOAM_ASSIGN_OR_RETURN(ModelSource source, read_model_source(file_, options));
    float_weights_ = options.float_weights;
    LEOAM_RETURN_IF_ERROR(check_cancelled(cancel_));
    LEOAM_RETURN_IF_ERROR(create_text_parts(source));
    LEOAM_RETURN_IF_ERROR(check_cancelled(cancel_));
    model_->header_ = std::move(source.header);
    model_->layers_.resize(model_->config().n_layers);
    std::vector<WeightTransfer> transfers;
    for (const TensorPlan& plan : source.tensors) {
      if (plan.place != TensorPlan::Place::config) LEOAM_RETURN_IF_ERROR(add_transfer(plan, &transfers));
    }
    // As they lie, so that a disk reads on.
    std::sort(transfers.begin(), transfers.end(), [](const WeightTransfer& a, const WeightTransfer& b) {
      return a.offset_bytes < b.offset_bytes;
    });
    WeightDigest digest;
    LEOAM_RETURN_IF_ERROR(read_weights(file_, transfers, device_, pool_, progress_, cancel_, &digest));
    LEOAM_ASSIGN_OR_RETURN(model_->identity_,
                           model_identity(file_, source.gguf.data_offset_bytes(), model_->config(), digest));
    LEOAM_RETURN_IF_ERROR(file_.check_unchanged());
    return std::move(model_);
  }

 private:
  Status create_text_parts(const ModelSource& source) {
    LEOAM_ASSIGN_OR_RETURN(std::optional<TokenizerData> data,
                           read_tokenizer_data(source.gguf, source.header.config, cancel_));
    if (data) {
      LEOAM_ASSIGN_OR_RETURN(model_->tokenizer_, Tokenizer::create(*std::move(data), cancel_));
    }
    LEOAM_ASSIGN_OR_RETURN(const std::optional<std::string_view> text,
                           source.gguf.find_string("tokenizer.chat_template"));
    if (!text) return {};
    // A model whose template is beyond us still answers to text and tokens.
    auto chat_template = ChatTemplate::parse(*text);
    if (chat_template.ok())
      model_->chat_template_ = std::move(chat_template).value();
    else
      model_->chat_template_status_ =
          std::move(chat_template).status().with_context("tokenizer.chat_template");
    return {};
  }

  DeviceMatrix* matrix_of(const TensorPlan& plan) {
    if (plan.place == TensorPlan::Place::embedding) return &model_->embedding_;
    if (plan.place == TensorPlan::Place::head) return &model_->head_;
    return plan.matrix ? &(model_->layers_[plan.layer].*plan.matrix) : nullptr;
  }

  std::vector<float>* vector_of(const TensorPlan& plan) {
    if (plan.place == TensorPlan::Place::output_norm) return &model_->output_norm_;
    return plan.vector ? &(model_->layers_[plan.layer].*plan.vector) : nullptr;
  }

  Status add_transfer(const TensorPlan& plan, std::vector<WeightTransfer>* transfers) {
    WeightTransfer transfer;
    transfer.name = plan.name.c_str();
    transfer.offset_bytes = plan.tensor->offset_bytes;
    transfer.type = plan.tensor->type;
    transfer.row_bytes = plan.tensor->row_bytes();
    transfer.matrix = matrix_of(plan);
    if (transfer.matrix) {
      transfer.n_rows = plan.n_rows;
      LEOAM_ASSIGN_OR_RETURN(*transfer.matrix,
                             device_.create_matrix(float_weights_ ? kernels::WeightType::f32 : transfer.type,
                                                   plan.n_rows, plan.n_cols));
      model_->device_bytes_ += transfer.matrix->storage->bytes();
    } else {
      transfer.vector = vector_of(plan);
      transfer.vector->resize(plan.n_cols);
    }
    transfers->push_back(transfer);
    return {};
  }

  const File& file_;
  Device& device_;
  ThreadPool& pool_;
  const LoadProgress& progress_;
  const CancelFlag* cancel_;
  bool float_weights_ = false;
  std::unique_ptr<Model> model_{new Model};
};

Result<std::unique_ptr<Model>> Model::load(const std::string& path, const ModelOptions& options,
                                           Device& device, ThreadPool& pool, const LoadProgress& progress,
                                           const CancelFlag* cancel) {
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, open_for_reading(path));
  auto model = ModelLoader(*file, device, pool, progress, cancel).load(options);
  if (!model.ok()) return std::move(model).status().with_context(path);
  return model;
}

}  // namespace leoam
