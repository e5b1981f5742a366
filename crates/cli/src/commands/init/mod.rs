//! `kubepki init`: declare, look, list, confirm, make, write, tell.

mod cluster;
mod view;

use super::layout;
use super::wiring::{Outside, Talk};
use crate::args::InitArgs;
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::Structured;
use kubepki_core::founding::{
    Authority, Declarations, DeclaredLayout, Folders, Founding, FoundingRefusal, FoundingRequest,
    FoundingResult, found,
};
use kubepki_core::plan::Notice;
use kubepki_engine::founding::{FoundingError, NewFile, mint, observe, write};
use kubepki_keys::{KeyType, RsaSize};
use kubepki_x509::Name;
use std::path::PathBuf;

/// Makes a PKI.
pub fn run(context: &Context, args: &InitArgs) -> Result<ExitCode, CliError> {
    let mut notices = Vec::new();
    let layout = match &args.layout {
        Some(file) => layout::read(file)?,
        None => cluster::kubeadm_layout(context, args, &mut notices)?,
    };
    if args.print_layout {
        context.emit(context.structured().unwrap_or(Structured::Yaml), &layout)?;
        return Ok(ExitCode::Fine);
    }
    let outside = Outside::new(context);
    let host = outside.host();
    let declared = declarations(context, args, &layout)?;
    let request = request(context, args)?;
    let ground = observe(host, &declared, &request).map_err(|error| failed(&error))?;
    let mut founding =
        found(&declared, &ground, &request, context.now()).map_err(|refusal| refused(&refusal))?;
    founding.notices.splice(0..0, notices);
    if founding.is_empty() {
        return nothing(context, &founding);
    }
    view::list(context, &founding)?;
    if !context.confirm("Make all of this?")? {
        context.note("nothing was made");
        return Ok(ExitCode::Fine);
    }
    let files = mint(host, &founding, context.now(), &Talk(context))
        .and_then(|files| write(host, &files).map(|()| files))
        .map_err(|error| failed(&error))?;
    tell(context, &founding, files)
}

fn nothing(context: &Context, founding: &Founding) -> Result<ExitCode, CliError> {
    if let Some(structured) = context.structured() {
        context.emit(structured, &FoundingResult::new(founding, Vec::new()))?;
    }
    context.note("nothing to make: all of it is there");
    Ok(ExitCode::Fine)
}

fn tell(context: &Context, founding: &Founding, files: Vec<NewFile>) -> Result<ExitCode, CliError> {
    let count = files.len();
    if let Some(structured) = context.structured() {
        let made = files.into_iter().map(|file| file.made).collect();
        context.emit(structured, &FoundingResult::new(founding, made))?;
    }
    context.note(format_args!("\n{count} files made"));
    if founding.has_requests() {
        context.note(
            "have the requests signed, put NAME.crt beside NAME.key, and run it again with \
             --install instead of --csr-dir",
        );
    }
    Ok(ExitCode::Fine)
}

fn declarations(
    context: &Context,
    args: &InitArgs,
    layout: &DeclaredLayout,
) -> Result<Declarations, CliError> {
    let certificates = context.host_path(&args.cert_dir)?;
    let mut folders = Folders::of(certificates);
    if let Some(folder) = &args.kubeconfig_dir {
        folders.kubeconfigs = context.host_path(folder)?;
    }
    let mut declared = layout.checked(&folders).map_err(|error| {
        let shown = CliError::new(error.code(), &error);
        match &args.layout {
            Some(file) => shown.location(file.display()),
            None => shown,
        }
    })?;
    if let Some(certificate) = &args.ca_cert {
        let key = args
            .ca_key
            .as_deref()
            .map(|key| context.host_path(key))
            .transpose()?;
        let certificate = context.host_path(certificate)?;
        declared.sign_authorities_with(Authority {
            name: certificate.display().to_string(),
            // Its own, read from its file, is what counts.
            subject: Name::common("", &[]),
            certificate,
            key: key.unwrap_or_default(),
            signer: None,
            path_length: None,
            end: None,
            key_type: None,
            given: true,
            role: None,
        });
    }
    Ok(declared)
}

fn request(context: &Context, args: &InitArgs) -> Result<FoundingRequest, CliError> {
    let folder = |folder: &Option<PathBuf>| {
        folder
            .as_deref()
            .map(|folder| context.host_path(folder))
            .transpose()
    };
    let service_account_key_type = match args.key_type {
        KeyType::Ed25519 => KeyType::Rsa(RsaSize::Bits2048),
        other => other,
    };
    if args.external_ca && args.csr_dir.is_none() && args.install.is_none() {
        return Err(
            CliError::usage("--external-ca needs --csr-dir or --install")
                .hint("a CA of somebody else's signs requests: say where they go"),
        );
    }
    Ok(FoundingRequest {
        start: args.not_before,
        end: args.validity,
        authority_end: args.ca_validity,
        key_type: args.key_type.to_string(),
        authority_key_type: args.ca_key_type.unwrap_or(args.key_type).to_string(),
        service_account_key_type: service_account_key_type.to_string(),
        only: args.only.clone(),
        external: args.external_ca,
        csr_dir: folder(&args.csr_dir)?,
        install: folder(&args.install)?,
    })
}

fn notice(code: &str, object: &str, message: String) -> Notice {
    Notice {
        code: code.to_owned(),
        object: object.to_owned(),
        message,
    }
}

fn refused(refusal: &FoundingRefusal) -> CliError {
    let shown = CliError::new(refusal.code(), refusal);
    match refusal.hint() {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

/// A failed founding as people meet it; shared with the verbs that make single certificates.
pub fn failed(error: &FoundingError) -> CliError {
    match error {
        FoundingError::Host(error) => host_error(error),
        other => {
            let shown = CliError::new(other.code(), other);
            match other.path() {
                Some(path) => shown.location(path.display()),
                None => shown,
            }
        }
    }
}
