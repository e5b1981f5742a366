//! Power loss: what the disk holds at the moment of a crash, not what the kernel still has in memory.
//!
//! The host lies on an ext4 image behind a loop device. When the fault strikes, the image is copied
//! while it is still mounted: what was not synced is not in it. The copy is mounted as the machine
//! would after power comes back, and the next run must find the old host or the new one there.

use super::crash;
use super::mounts::Mount;
use super::scene;
use kubepki_adapters::host::LocalHost;
use kubepki_engine::fault_injection::{FaultingHost, Faults, Mode};
use std::path::Path;
use std::process::Command;

/// `noauto_da_alloc`: without the kernel's own repair of programs that rename before they sync.
const OPTIONS: &str = "loop,noauto_da_alloc,commit=600";

#[test]
fn a_power_loss_at_any_effect_leaves_the_old_host_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (image, mounted, survived) = (at("image"), at("mounted"), at("survived"));
    std::fs::create_dir(&mounted).unwrap();
    std::fs::create_dir(&survived).unwrap();
    std::fs::File::create(&image)
        .unwrap()
        .set_len(16 << 20)
        .unwrap();
    let mkfs = Command::new("mkfs.ext4")
        .args(["-q", "-m", "0"])
        .arg(&image)
        .output();
    if !mkfs.is_ok_and(|output| output.status.success()) {
        println!("skipped: no mkfs.ext4");
        return;
    }
    {
        let Some(_mount) = mount(&image, &mounted) else {
            return;
        };
        scene::furnish(&mounted);
    }
    let expected = crash::expected();
    let points = crash::points(&expected.effects);
    let (mut ended_old, mut ended_new) = (0, 0);
    // A torn write is a matter of the process, not of the disk.
    for (number, mode) in points.iter().filter(|(_, mode)| *mode != Mode::Torn) {
        let point = format!("{mode:?} {number} {:?}", expected.effects[number - 1]);
        let (before, after) = (at("before"), at("after"));
        std::fs::copy(&image, &before).unwrap();
        {
            let Some(_mount) = mount(&before, &mounted) else {
                return;
            };
            let host = LocalHost::at_root(&mounted).unwrap();
            let faults = Faults::in_process(*number, *mode);
            scene::renew(&FaultingHost::new(host, faults)).unwrap_err();
            std::fs::copy(&before, &after).unwrap();
        }
        let Some(_mount) = mount(&after, &survived) else {
            panic!("{point}: cannot be mounted")
        };
        let host = LocalHost::at_root(&survived).unwrap();
        scene::recover(&host).unwrap_or_else(|error| panic!("{point}: {error}"));
        let tree = scene::tree(&survived);
        let is_new = tree == expected.new;
        assert!(
            is_new || tree == expected.old,
            "{point}: neither old nor new: {tree:#?}"
        );
        if is_new {
            ended_new += 1
        } else {
            ended_old += 1
        }
    }
    println!(
        "{} power losses: {ended_old} ended old, {ended_new} ended new",
        ended_old + ended_new
    );
    assert!(ended_old > 10 && ended_new > 10);
}

fn mount(image: &Path, target: &Path) -> Option<Mount> {
    Mount::new(
        &["-o".as_ref(), OPTIONS.as_ref(), image.as_os_str()],
        target,
    )
}
