//! What the Rust binding promises, against a built library (`LEOAM_LIBRARY`) and a real model
//! (`LEOAM_MODELS`).

mod budget_test;
mod callback_test;
mod error_test;
mod lifetime_test;
mod model_test;
mod request_test;
mod store_test;
mod text_test;
mod thread_test;
