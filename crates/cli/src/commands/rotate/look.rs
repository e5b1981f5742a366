//! Looking at a whole cluster for a rotation: every host, then the API and who leads, asked of one
//! control plane that is well, by name and never through a load balancer. The picture is made of it.

use crate::commands::fleet::carry::{Undertaking, all_seen, changeable, interrupted};
use crate::commands::fleet::{Looked, look_at_all, look_request, session_error};
use crate::commands::rescue::halted;
use crate::commands::unfinished::halted_in_words;
use crate::context::Context;
use crate::error::CliError;
use jiff::SignedDuration;
use kubepki_core::connections::{Graph, Material, derive};
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::model::cluster::ClusterObservation;
use kubepki_core::model::{ComponentKind, Gap};
use kubepki_core::plan::HostView;
use kubepki_core::rotation::plan::is_swap;
use kubepki_core::rotation::{Leaders, Phase, Picture, Root, observe, successor};
use kubepki_fleet::session::{ApiAnswer, ApiQuestion, RotationRun, SessionError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What was stopped and is started again answers within this time, or for other reasons not at all.
const STARTING: Duration = Duration::from_secs(90);

/// The longest that a swap changes nothing on any host, but for what its own locks and gates wait for.
const QUIET: Duration = Duration::from_secs(15);

/// Between two looks at what was started.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);

const NONE_LEFT_OUT: &str =
    "nothing was changed; a rotation leaves no host out: `kubepki hosts` shows how each is reached";

const RUN_GOES_ON: &str = "nothing was changed; type it again when that run has ended; `kubepki rotate pause` asks a rotation to stop";

/// Who looks, and how.
pub struct Looker<'a> {
    /// Where it is said.
    pub context: &'a Context,
    /// The hosts and how they are changed.
    pub undertaking: &'a Undertaking<'a>,
    /// For one question.
    pub timeout: SignedDuration,
}

/// What was seen.
pub struct World {
    /// As sessions told it.
    pub looked: Vec<Looked>,
    /// The API, when somebody could be asked.
    pub cluster: Option<ClusterObservation>,
    /// The control plane that was asked.
    pub asked: Option<String>,
    /// Of every place, what it holds.
    pub picture: Picture,
    /// Whether components were found stopped by a run that was cut short, and were started.
    pub was_halted: bool,
    evidence: Vec<HostEvidence>,
}

impl Looker<'_> {
    /// Looks at everything; what cannot be seen is a gap of the picture.
    pub fn look(&self) -> Result<World, CliError> {
        let timeout = Duration::try_from(self.timeout).unwrap_or(Duration::from_secs(5));
        let request = look_request(self.undertaking.ca_dir, true, timeout);
        let looked = look_at_all(
            self.context,
            self.undertaking.hosts,
            self.undertaking.sessions,
            &request,
        )?;
        self.seen(looked)
    }

    /// Looks at everything, after what was interrupted anywhere has been settled and what was stopped has
    /// been started: a halted static pod lies where nobody looks. Every host has to be seen: what is not
    /// known of one cannot be proved.
    pub fn look_at_settled(&self) -> Result<World, CliError> {
        let mut world = self.look()?;
        all_seen(&world.looked).map_err(|error| error.hint(NONE_LEFT_OUT))?;
        changeable(&world.looked).map_err(|error| error.hint(RUN_GOES_ON))?;
        let runs = interrupted(&world.looked);
        if !runs.is_empty() {
            self.undertaking.settle(self.context, &runs)?;
            world = self.look()?;
            all_seen(&world.looked).map_err(|error| error.hint(NONE_LEFT_OUT))?;
        }
        if halts(&world.looked) {
            self.nobody_is_at_it(&world)?;
        }
        if self.start_halted(&world.looked)? {
            world = self.look_at_started()?;
            world.was_halted = true;
        }
        Ok(world)
    }

    /// While everything is down no Lease tells that somebody else is in the middle of a swap; what changes
    /// on the hosts does.
    fn nobody_is_at_it(&self, seen: &World) -> Result<(), CliError> {
        self.context.note(format_args!(
            "components of these hosts are stopped: looking for {} s whether somebody is at it",
            QUIET.as_secs()
        ));
        let began = Instant::now();
        while began.elapsed() < QUIET {
            sleep(BETWEEN_LOOKS);
            let world = self.look()?;
            changeable(&world.looked).map_err(|error| error.hint(RUN_GOES_ON))?;
            if traces(&world.looked) != traces(&seen.looked) {
                return Err(CliError::new(
                    "rotation-goes-on",
                    "somebody else is swapping or starting components of these hosts",
                )
                .hint(RUN_GOES_ON));
            }
        }
        Ok(())
    }

    /// Starts what a swap stopped and never started; whether there was anything.
    pub fn start_halted(&self, looked: &[Looked]) -> Result<bool, CliError> {
        let undertaking = self.undertaking;
        let max_parallel = undertaking.hosts.max_parallel;
        halted::start(self.context, undertaking.sessions, max_parallel, looked)
    }

    /// After a swap that failed nothing stays stopped: hosts that have not swapped yet serve as they did.
    pub fn bring_up(&self) {
        let started = self
            .look()
            .and_then(|world| self.start_halted(&world.looked));
        if let Err(error) = started {
            self.context
                .note(format_args!("what was stopped was not started: {error}"));
        }
    }

    /// Hosts that hold different generations may never come to anything together: that is no error here.
    fn look_at_started(&self) -> Result<World, CliError> {
        let began = Instant::now();
        loop {
            let world = self.look()?;
            all_seen(&world.looked).map_err(|error| error.hint(NONE_LEFT_OUT))?;
            if world.asked.is_some() || began.elapsed() >= STARTING {
                return Ok(world);
            }
            sleep(BETWEEN_LOOKS);
        }
    }

    fn seen(&self, looked: Vec<Looked>) -> Result<World, CliError> {
        let mut evidence = Vec::new();
        let mut gaps = Vec::new();
        let mut last: Option<(&str, &SessionError)> = None;
        for host in &looked {
            match &host.seen {
                Ok(seen) => {
                    let mut inventory = seen.look.inventory.clone();
                    // One name for a host everywhere: that of the cluster document.
                    inventory.host.clone_from(&host.host);
                    if let Some(words) = halted_in_words(&seen.look.halted) {
                        gaps.push(Gap::new(&host.host, words));
                    }
                    evidence.push(HostEvidence {
                        inventory,
                        live: seen.look.live.clone(),
                    });
                }
                Err(error) => {
                    last = Some((&host.host, error));
                    gaps.push(Gap::new(&host.host, error.to_string()));
                }
            }
        }
        if evidence.is_empty()
            && let Some((host, error)) = last
        {
            return Err(session_error(host, error));
        }
        let (asked, leaders, cluster) = self.ask(&evidence, &mut gaps);
        let mut picture = observe::picture(
            &Evidence {
                hosts: &evidence,
                cluster: cluster.as_ref(),
            },
            &leaders,
        );
        picture.gaps.append(&mut gaps);
        // A host of the document that could not be reached is that, and nobody forgot it.
        let unseen = looked.iter().filter(|host| host.seen.is_err());
        let unseen: Vec<String> = unseen.map(|it| format!("Node {}", it.host)).collect();
        picture.strangers.retain(|it| !unseen.contains(&it.named));
        if let Some(asked) = &asked {
            self.workloads(asked, &evidence, cluster.as_ref(), &mut picture);
        }
        Ok(World {
            looked,
            cluster,
            asked,
            picture,
            was_halted: false,
            evidence,
        })
    }

    /// Workloads whose containers started before there was the right thing to read: asked once it is
    /// known what that is.
    fn workloads(
        &self,
        asked: &str,
        evidence: &[HostEvidence],
        cluster: Option<&ClusterObservation>,
        picture: &mut Picture,
    ) {
        let seen = Evidence {
            hosts: evidence,
            cluster,
        };
        for root in Root::ALL {
            let Some(wanted) = observe::fresh_trust(&seen, picture, root) else {
                continue;
            };
            let question = ApiQuestion::StaleWorkloads { wanted };
            let answered = self
                .undertaking
                .sessions
                .with(asked, |session| session.ask(&question));
            match answered {
                Ok(ApiAnswer::StaleWorkloads { workloads }) => {
                    observe::add_workloads(picture, root, &workloads);
                }
                Ok(_) => {}
                Err(error) => picture
                    .gaps
                    .push(Gap::new("workloads", format!("{asked}: {error}"))),
            }
        }
    }

    /// The first control plane whose own API server answers says who leads and what is in the API.
    fn ask(
        &self,
        evidence: &[HostEvidence],
        gaps: &mut Vec<Gap>,
    ) -> (Option<String>, Leaders, Option<ClusterObservation>) {
        let servers = evidence
            .iter()
            .map(|host| &host.inventory)
            .filter(|host| host.live && host.component(ComponentKind::KubeApiserver).is_some());
        let mut reasons = Vec::new();
        for host in servers {
            let name = host.host.as_str();
            let answered = self.undertaking.sessions.with(name, |session| {
                if let ApiAnswer::Health { ok: false, found } = session.ask(&ApiQuestion::Ready)? {
                    return Err(SessionError::new("api-not-ready", found));
                }
                let leaders = session.ask(&ApiQuestion::Leaders)?;
                Ok((leaders, session.ask(&ApiQuestion::Scan)?))
            });
            match answered {
                Ok((ApiAnswer::Leaders { mut leaders }, ApiAnswer::Scanned { observation })) => {
                    if leaders.etcd.is_none() {
                        leaders.etcd = self.etcd_leader(evidence, name);
                    }
                    return (Some(name.to_owned()), leaders, Some(*observation));
                }
                Ok(_) => reasons.push(format!("{name}: an answer to another question")),
                Err(error) => reasons.push(format!("{name}: {error}")),
            }
        }
        let reason = match reasons.is_empty() {
            true => "no host with an API server runs".to_owned(),
            false => reasons.join("; "),
        };
        gaps.push(Gap::new("Kubernetes API", reason));
        (None, Leaders::default(), None)
    }

    /// Who leads etcd where it has hosts of its own: the first member that answers knows.
    fn etcd_leader(&self, evidence: &[HostEvidence], asked: &str) -> Option<String> {
        let inventories = evidence.iter().map(|host| &host.inventory);
        let members = inventories
            .filter(|host| host.live && host.component(ComponentKind::Etcd).is_some())
            .map(|host| host.host.as_str())
            .filter(|host| *host != asked);
        for member in members {
            let answered = self
                .undertaking
                .sessions
                .with(member, |session| session.ask(&ApiQuestion::Leaders));
            if let Ok(ApiAnswer::Leaders { leaders }) = answered
                && leaders.etcd.is_some()
            {
                return leaders.etcd;
            }
        }
        None
    }
}

fn halts(looked: &[Looked]) -> bool {
    let mut seen = looked.iter().filter_map(|looked| looked.seen.as_ref().ok());
    seen.any(|seen| !seen.look.halted.is_empty())
}

/// What whoever is in the middle of something changes: what is halted, and the runs.
fn traces(looked: &[Looked]) -> Vec<(&str, &[ComponentKind], usize)> {
    let seen = looked.iter().filter_map(|looked| {
        let look = &looked.seen.as_ref().ok()?.look;
        Some((
            looked.host.as_str(),
            look.halted.as_slice(),
            look.rotation_runs.len(),
        ))
    });
    seen.collect()
}

impl World {
    /// Every connection, and what lies in its slots.
    pub fn connections(&self) -> (Graph, Material) {
        derive(&Evidence {
            hosts: &self.evidence,
            cluster: self.cluster.as_ref(),
        })
    }

    /// The hosts as plans are made of them.
    pub fn hosts(&self) -> Vec<HostView<'_>> {
        let seen = self.looked.iter().filter_map(|looked| {
            Some(HostView {
                name: &looked.host,
                inventory: &looked.seen.as_ref().ok()?.look.inventory,
            })
        });
        seen.collect()
    }

    /// Whether the rotation of these roots was begun as a swap with everything down, as the journals of the
    /// hosts and what was found stopped tell.
    pub fn is_swap_under_way(&self, roots: &[Root]) -> bool {
        let roots = roots.iter().filter_map(|root| self.picture.root(*root));
        let new: Vec<&str> = roots
            .filter_map(|root| root.new.as_ref())
            .map(successor::short)
            .collect();
        let mut marks = self
            .rotation_runs()
            .map(|(_, run)| &run.mark)
            .filter(|mark| new.iter().any(|short| mark.rotation.contains(short)))
            .filter(|mark| mark.phase != Phase::Prepare)
            .peekable();
        match marks.peek() {
            None => self.was_halted && !new.is_empty(),
            Some(_) => marks.any(is_swap),
        }
    }

    /// Finished runs of rotations, host by host.
    pub fn rotation_runs(&self) -> impl Iterator<Item = (&str, &RotationRun)> {
        self.looked.iter().flat_map(|looked| {
            let runs = looked.seen.iter().flat_map(|seen| &seen.look.rotation_runs);
            runs.map(|run| (looked.host.as_str(), run))
        })
    }
}
