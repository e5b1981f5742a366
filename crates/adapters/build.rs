//! Compiles the `.proto` files of the container runtime interface and of etcd with protox, which is Rust, so that
//! building needs no `protoc`.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let protos = [
        "proto/cri/runtime_v1.proto",
        "proto/cri/runtime_v1alpha2.proto",
        "proto/etcd/rpc.proto",
    ];
    for proto in protos {
        println!("cargo::rerun-if-changed={proto}");
    }
    let compiled = protox::compile(protos, ["proto"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);

    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .out_dir(&out)
        .compile_fds(compiled.clone())?;

    // The server side is for the tests, which stand in for a runtime; they include it from here.
    let server: &Path = &out.join("server");
    fs::create_dir_all(server)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .out_dir(server)
        .compile_fds(compiled)?;
    Ok(())
}
