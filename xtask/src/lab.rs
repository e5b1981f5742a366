//! `cargo xtask lab`: the command line of `kubepki-lab`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Subcommand;
use kubepki_lab::{Aftermath, Cache, Cluster, Shape, administrator};

/// Real kubeadm clusters on this machine (root)
#[derive(clap::Args)]
pub struct Arguments {
    /// Which lab; labs do not meet. Tests use those named "test" and "test2"
    #[arg(long, env = "KUBEPKI_LAB_NAME", default_value = "dev", global = true)]
    name: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make what every lab needs: packages, Kubernetes, the hosts' Debian, images
    Prepare,
    /// Boot hosts and join them to a cluster
    Up {
        /// How many control planes
        #[arg(default_value_t = 1)]
        control_planes: u8,
        /// How many workers
        #[arg(default_value_t = 0)]
        workers: u8,
        /// Let kubelets ask the cluster for serving certificates instead of signing their own
        #[arg(long)]
        server_tls_bootstrap: bool,
        /// A file of more documents for kubeadm's configuration
        #[arg(long, value_name = "FILE")]
        more_configuration: Option<PathBuf>,
    },
    /// Boot hosts without a cluster
    Boot {
        /// Names of up to four characters
        #[arg(required = true)]
        hosts: Vec<String>,
    },
    /// End and remove everything that the lab started
    Down,
    /// Run a command on a host
    Exec {
        /// The host
        host: String,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// kubectl on cp1, with its administrator's kubeconfig
    Kubectl {
        /// kubectl's arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// List hosts, addresses, and where this machine sees their files
    Hosts,
    /// Write an ssh configuration, the host keys and a kubepki.yaml, and print how to use them
    SshConfig,
    /// Copy a file to a host
    Copy {
        /// The file
        source: PathBuf,
        /// HOST:PATH
        target: String,
    },
    /// Build kubepki and put it into a host's /usr/local/bin
    Install {
        /// The host
        host: String,
    },
    /// Make a host's leafs and kubeconfigs end some days ago, and restart what held them
    Age {
        /// The host
        host: String,
        /// How many days ago; negative: in how many days
        #[arg(long, allow_negative_numbers = true)]
        days: i64,
        /// Leave static pods running: the API server then refuses everyone, instead of being down
        #[arg(long)]
        ran_on: bool,
    },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<()> {
    let cache = Cache::open()?;
    let start = Instant::now();
    if let Command::Prepare = arguments.command {
        let layers = kubepki_lab::prepare(&cache)?;
        println!(
            "prepared Kubernetes {} in {} s",
            layers.version,
            start.elapsed().as_secs()
        );
        return Ok(());
    }
    let cluster = Cluster::named(&cache, &arguments.name)?;
    let lock = || cache.lock(&format!("lab-{}", arguments.name));
    match arguments.command {
        Command::Prepare => {}
        Command::Up {
            control_planes,
            workers,
            server_tls_bootstrap,
            more_configuration,
        } => {
            let more_configuration = match more_configuration {
                Some(file) => fs_err::read_to_string(file)?,
                None => String::new(),
            };
            let _lock = lock()?;
            cluster.up(&Shape {
                server_tls_bootstrap,
                more_configuration,
                ..Shape::new(control_planes, workers)
            })?;
            println!(
                "up in {} s; API at {}",
                start.elapsed().as_secs(),
                cluster.endpoint()?
            );
            print!(
                "{}",
                cluster.kubectl(["get", "nodes", "-o", "wide"])?.stdout
            );
        }
        Command::Boot { hosts } => {
            let _lock = lock()?;
            cluster.boot(&hosts.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Command::Down => {
            let _lock = lock()?;
            cluster.down()?;
        }
        Command::Exec { host, command } => {
            let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
            std::process::exit(cluster.host(&host)?.exec_here(command, terminal)?);
        }
        Command::Kubectl { arguments } => {
            let first = cluster.host("cp1")?;
            let kubectl = ["kubectl", "--kubeconfig", administrator(&first)];
            let all = kubectl.into_iter().map(OsString::from).chain(arguments);
            std::process::exit(first.exec_here(all, false)?);
        }
        Command::Hosts => {
            for host in cluster.hosts()? {
                println!(
                    "{}\t{}\t{}",
                    host.name(),
                    host.address(),
                    host.path("/").display()
                );
            }
        }
        Command::SshConfig => {
            let access = cluster.ssh_access()?;
            println!("ssh -F {} cp1", access.config().display());
            println!("export KUBEPKI_SSH_COMMAND=\"{}\"", access.command());
            println!(
                "export KUBEPKI_CLUSTER={}",
                access.cluster_document().display()
            );
            println!("kubepki status");
        }
        Command::Copy { source, target } => {
            let (host, path) = target.split_once(':').context("the target is HOST:PATH")?;
            cluster.host(host)?.copy(&source, path)?;
        }
        Command::Install { host } => cluster.host(&host)?.install_kubepki()?,
        Command::Age { host, days, ran_on } => {
            let aftermath = if ran_on {
                Aftermath::RanOn
            } else {
                Aftermath::Restarted
            };
            for file in cluster.host(&host)?.age_with(days, aftermath)? {
                println!("{file}");
            }
            println!("aged in {} s", start.elapsed().as_secs());
        }
    }
    Ok(())
}
