//! Text and tokens.

use leoam_sys as sys;

use crate::error::{ErrorClass, Result};
use crate::ffi::{collect, enumeration, flag, FromC};
use crate::model::Model;

enumeration! {
    /// What a token is for.
    TokenType {
        /// Ordinary text.
        Normal = LEOAM_TOKEN_NORMAL,
        /// Stands for what the vocabulary cannot spell.
        Unknown = LEOAM_TOKEN_UNKNOWN,
        /// Begins or ends something; no text.
        Control = LEOAM_TOKEN_CONTROL,
        /// Text that is always one token.
        UserDefined = LEOAM_TOKEN_USER_DEFINED,
        /// Never comes.
        Unused = LEOAM_TOKEN_UNUSED,
        /// One byte.
        Byte = LEOAM_TOKEN_BYTE,
    }
}

/// One token of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// What it is for.
    pub token_type: TokenType,
    /// A generation ends with it.
    pub ends_generation: bool,
    /// Its spelling in the file, for display.
    pub piece: String,
    /// What it stands for in running text: any bytes, perhaps a part of a code point; empty for control
    /// tokens.
    pub bytes: Vec<u8>,
}

/// How text becomes tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenizeOptions {
    /// Control tokens spelt out in the text become those tokens. Not for text of strangers.
    pub special: bool,
    /// Begins with `bos_token` where the file asks for it.
    pub bos: bool,
}

/// How tokens become text.
#[derive(Clone, Copy, Debug, Default)]
pub struct DetokenizeOptions {
    /// Control tokens are spelt out.
    pub special: bool,
    /// The tokens go on from others: a blank that the format puts before a text is kept.
    pub continues: bool,
}

impl Model {
    /// One token of the vocabulary. Fails with `InvalidArgument` (no such token), `Unsupported` (no
    /// tokenizer).
    pub fn token(&self, token: i32) -> Result<TokenInfo> {
        // SAFETY: a live handle and an initialised struct.
        let c: sys::leoam_token_info = self
            .handle()
            .filled(|api, handle, out, error| unsafe { (api.model_get_token)(handle, token, out, error) })?;
        // SAFETY: the strings live as long as the model.
        let (piece, bytes) = unsafe { (String::from_c(c.piece), c.bytes.bytes().to_vec()) };
        Ok(TokenInfo {
            token_type: TokenType::from_number(c.r#type),
            ends_generation: c.flags & sys::LEOAM_TOKEN_ENDS_GENERATION != 0,
            piece,
            bytes,
        })
    }

    /// The id of the token that the file spells so, if there is one.
    pub fn find_token(&self, piece: &str) -> Result<Option<i32>> {
        let mut token = -1;
        // SAFETY: a live handle; the text lives during the call.
        let found = self.handle().call(|api, handle, error| unsafe {
            (api.model_find_token)(handle, piece.as_ptr().cast(), piece.len() as u64, &mut token, error)
        });
        match found {
            Ok(()) => Ok(Some(token)),
            Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The tokens of a text. It may also be bytes: what is not UTF-8 is tokenised byte by byte. Fails with
    /// `Unsupported` (no tokenizer).
    pub fn tokenize(&self, text: impl AsRef<[u8]>, options: TokenizeOptions) -> Result<Vec<i32>> {
        let text = text.as_ref();
        let flags =
            flag(options.special, sys::LEOAM_TOKENIZE_SPECIAL) | flag(options.bos, sys::LEOAM_TOKENIZE_BOS);
        let (api, data, size) = (self.api(), text.as_ptr().cast(), text.len() as u64);
        collect(text.len() + 16, |tokens, capacity, n_tokens, error| {
            // SAFETY: a live handle; text and buffer live during the call.
            unsafe {
                (api.model_tokenize)(
                    self.handle().get(),
                    data,
                    size,
                    flags,
                    tokens,
                    capacity,
                    n_tokens,
                    error,
                )
            }
        })
    }

    /// The bytes of tokens. Those of tokens that were cut from a longer sequence may begin or end inside a
    /// code point. Fails with `InvalidArgument` (no such token).
    pub fn detokenize(&self, tokens: &[i32], options: DetokenizeOptions) -> Result<Vec<u8>> {
        let flags = flag(options.special, sys::LEOAM_DETOKENIZE_SPECIAL)
            | flag(options.continues, sys::LEOAM_DETOKENIZE_CONTINUE);
        let (api, n_tokens) = (self.api(), tokens.len() as u64);
        collect(tokens.len() * 8, |text: *mut u8, capacity, size, error| {
            let (tokens, text) = (tokens.as_ptr(), text.cast());
            // SAFETY: a live handle; tokens and buffer live during the call.
            unsafe {
                (api.model_detokenize)(
                    self.handle().get(),
                    tokens,
                    n_tokens,
                    flags,
                    text,
                    capacity,
                    size,
                    error,
                )
            }
        })
    }

    /// [`Model::detokenize`] as a string, with U+FFFD for what is not UTF-8.
    pub fn detokenize_lossy(&self, tokens: &[i32], options: DetokenizeOptions) -> Result<String> {
        let bytes = self.detokenize(tokens, options)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    pub(crate) fn api(&self) -> &sys::leoam_api {
        self.handle().library().api()
    }
}
