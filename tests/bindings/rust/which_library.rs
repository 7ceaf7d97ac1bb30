//! Says which library a program like it would use.

fn main() {
    match leoam::Library::load().and_then(|library| library.build_info()) {
        Ok(info) => println!("{}", info.file_path),
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    }
}
