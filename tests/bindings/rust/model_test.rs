//! Plans, loading, information, logits.

use std::cell::Cell;
use std::time::Duration;

use leoam::{
    CancelFlag, ErrorClass, EvaluateOptions, Flow, KvType, LoadOptions, Model, PlanOptions, RopeScaling,
};
use leoam_conformance::{
    expect_class, instance, load, long_prompt, model_or_skip, path_or_skip, session, time,
};

// 30 layers of 3 KV heads of 64 numbers of 16 bits, key and value.
const TOKEN_BYTES: u64 = 30 * 3 * 64 * 2 * 2;

#[test]
fn a_plan_says_what_a_context_needs_before_anything_is_loaded() {
    let path = path_or_skip!();
    let instance = instance();
    let load = LoadOptions::default();
    let plan = |options: PlanOptions| Model::plan(&instance, &path, &load, &options).unwrap();
    let plenty =
        plan(PlanOptions { context_tokens: 1024, host_kv_budget_bytes: 1 << 30, ..Default::default() });
    assert!(plenty.fits);
    assert_eq!((1024, TOKEN_BYTES), (plenty.context_tokens, plenty.kv_token_bytes));
    assert_eq!(1024 * TOKEN_BYTES, plenty.kv_bytes);
    assert_eq!(0, plenty.session_file_bytes);
    assert_eq!(KvType::F16, plenty.kv_type);
    let tight = plan(PlanOptions {
        context_tokens: 2048,
        host_kv_budget_bytes: 16 << 20,
        disk_kv_budget_bytes: 1 << 30,
        saved: true,
        ..Default::default()
    });
    assert!(!tight.fits && tight.fitting_tokens < 2048 && tight.fitting_with_disk_tokens >= 2048);
    assert!(tight.session_file_bytes > tight.kv_bytes);
    let small = plan(PlanOptions { context_tokens: 1024, kv_type: KvType::Int8, ..Default::default() });
    assert!(small.kv_token_bytes < plenty.kv_token_bytes);
    assert_eq!(0, instance.statistics().unwrap().weight_bytes);
}

#[test]
fn a_model_says_what_it_is() {
    let model = model_or_skip!();
    let info = model.info().unwrap();
    assert_eq!(("llama", "q4_1"), (info.architecture.as_str(), info.quantization.as_str()));
    assert_eq!(
        (30, 9, 3, 64, 49152),
        (info.n_layers, info.n_heads, info.n_kv_heads, info.head_dim, info.n_vocab)
    );
    assert!(info.has_tokenizer() && info.has_chat_template() && !info.is_header_only());
    assert_ne!(RopeScaling::FromFile, info.rope_scaling);
    let metadata = model.metadata().unwrap();
    assert_eq!(info.n_metadata as usize, metadata.len());
    assert!(metadata.contains(&("general.architecture".to_string(), "llama".to_string())));
}

#[test]
fn a_header_has_information_and_no_weights() {
    let path = path_or_skip!();
    let options = LoadOptions { header_only: true, ..Default::default() };
    let header = Model::load(&instance(), &path, options).unwrap();
    let info = header.info().unwrap();
    assert!(info.is_header_only());
    assert_eq!(0, info.memory_bytes);
    expect_class(ErrorClass::Unsupported, leoam::Session::new(&header, &Default::default()));
}

#[test]
fn loading_reports_progress_and_stops_by_callback_and_by_flag() {
    let path = path_or_skip!();
    let instance = instance();
    let last = Cell::new((0, 1));
    let on_progress = |done, total| {
        assert!(done >= last.get().0 && done <= total);
        last.set((done, total));
        Flow::Continue
    };
    let options = LoadOptions { on_progress: Some(Box::new(on_progress)), ..Default::default() };
    drop(Model::load(&instance, &path, options).unwrap());
    assert_eq!(last.get().0, last.get().1);

    let options = LoadOptions { on_progress: Some(Box::new(|_, _| Flow::Stop)), ..Default::default() };
    expect_class(ErrorClass::Cancelled, Model::load(&instance, &path, options));

    let cancel = CancelFlag::new(&instance).unwrap();
    cancel.set();
    let flagged = || LoadOptions { cancel: Some(cancel.clone()), ..Default::default() };
    expect_class(ErrorClass::Cancelled, Model::load(&instance, &path, flagged()));
    cancel.clear();
    drop(Model::load(&instance, &path, flagged()).unwrap());
    assert_eq!(0, instance.statistics().unwrap().weight_bytes);
}

#[test]
fn overrides_of_the_file_count() {
    let path = path_or_skip!();
    let options = LoadOptions {
        rope_scaling: RopeScaling::Linear,
        rope_factor: 2.0,
        context_tokens: 4096,
        header_only: true,
        ..Default::default()
    };
    let info = Model::load(&instance(), &path, options).unwrap().info().unwrap();
    assert_eq!((RopeScaling::Linear, 2.0, 4096), (info.rope_scaling, info.rope_factor, info.context_tokens));
}

#[test]
fn evaluation_gives_logits_of_the_last_and_of_all_positions() {
    let model = model_or_skip!();
    let tokens = model.tokenize("The capital of France is", Default::default()).unwrap();
    let mut all = Vec::new();
    let on_logits = |position, logits: &[f32]| {
        all.push((position, logits.to_vec()));
        Flow::Continue
    };
    let mut first = session(&model);
    let options =
        EvaluateOptions { all_logits: true, on_logits: Some(Box::new(on_logits)), ..Default::default() };
    first.evaluate(&tokens, options).unwrap();
    let positions: Vec<_> = all.iter().map(|(position, _)| *position).collect();
    assert_eq!((0..tokens.len() as u64).collect::<Vec<_>>(), positions);
    let logits = first.logits().unwrap();
    assert_eq!(model.info().unwrap().n_vocab as usize, logits.len());
    assert_eq!(Some(&logits), all.last().map(|(_, logits)| logits));
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
    assert_eq!(b" Paris", model.token(best as i32).unwrap().bytes.as_slice());

    // The same in two parts, and after going back.
    let mut second = session(&model);
    second.evaluate(&tokens, Default::default()).unwrap();
    second.evaluate(&tokens, Default::default()).unwrap();
    second.truncate(tokens.len() as u64).unwrap();
    expect_class(ErrorClass::InvalidArgument, second.logits());
    second.truncate(tokens.len() as u64 - 1).unwrap();
    second.evaluate(&tokens[tokens.len() - 1..], Default::default()).unwrap();
    for (a, b) in second.logits().unwrap().iter().zip(&logits) {
        assert!((a - b).abs() < 1e-2, "{a} {b}");
    }
    assert_eq!(tokens, second.tokens(0..tokens.len() as u64).unwrap());
}

#[test]
fn a_step_tells_what_it_attended_to_and_took() {
    let model = model_or_skip!();
    let mut session = session(&model);
    let tokens = long_prompt(&model, 40);
    session.evaluate(&tokens, Default::default()).unwrap();
    assert_eq!(vec![1.0; 30 * 9], session.coverage().unwrap());
    let attention = session.attention().unwrap();
    assert_eq!((30 * 9, 1.0), (attention.len(), attention[0].attended_share));
    let layers = session.layer_times().unwrap();
    assert_eq!(30, layers.len());
    assert!(layers[29].layer == 29 && layers[29].end_us >= layers[29].begin_us);
    assert_eq!(0, session.kv_choice().unwrap().n_tokens);
    let info = session.info().unwrap();
    assert_eq!((40, "exact", KvType::F16), (info.n_tokens, info.policy.as_str(), info.kv_type));
}

#[test]
fn evaluation_stops_within_a_moment_of_the_flag() {
    let model = model_or_skip!();
    let tokens = long_prompt(&model, 1200);
    let cancel = CancelFlag::new(model.instance()).unwrap();
    leoam_conformance::expect_within(Duration::from_millis(100), || {
        let mut session = session(&model);
        cancel.clear();
        let mut took = Duration::ZERO;
        std::thread::scope(|scope| {
            let flag = cancel.clone();
            let setter = scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(150));
                flag.set();
                std::time::Instant::now()
            });
            let options = EvaluateOptions { cancel: Some(cancel.clone()), ..Default::default() };
            expect_class(ErrorClass::Cancelled, session.evaluate(&tokens, options));
            let end = std::time::Instant::now();
            took = end.saturating_duration_since(setter.join().unwrap());
        });
        assert!(session.n_tokens().unwrap() < 1200);
        took
    });
}

#[test]
fn a_plan_of_speed_can_be_stopped() {
    let path = path_or_skip!();
    let instance = instance();
    let cancel = CancelFlag::new(&instance).unwrap();
    cancel.set();
    let options = PlanOptions { speed: true, cancel: Some(cancel), ..Default::default() };
    let took = time(|| {
        // A machine that was measured before answers at once.
        if let Err(error) = Model::plan(&instance, &path, &LoadOptions::default(), &options) {
            assert_eq!(ErrorClass::Cancelled, error.class());
        }
    });
    assert!(took < Duration::from_secs(5), "{took:?}");
    let loaded = load(&instance, &path);
    assert!(loaded.info().unwrap().memory_bytes > 0);
}
