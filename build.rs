//! Packs the files of Swagger UI that `/docs` is made of, so that the program holds those and no others.

use std::error::Error;
use std::fs::File;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;
use zip::result::ZipError;

/// Their names in the distribution.
const FILES: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let folder = std::env::var("OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let names = archive.file_names().map(|name| Ok(name?.into_owned())).collect::<Result<Vec<_>, ZipError>>()?;
    for file in FILES {
        let end = format!("/dist/{file}");
        let name = names.iter().find(|name| name.ends_with(&end)).ok_or(file)?;
        let mut plain = Vec::new();
        archive.by_name(name)?.read_to_end(&mut plain)?;
        let packed = File::create(Path::new(&folder).join(format!("{file}.gz")))?;
        let mut packer = GzEncoder::new(packed, Compression::best());
        packer.write_all(&plain)?;
        packer.finish()?;
    }
    Ok(())
}
