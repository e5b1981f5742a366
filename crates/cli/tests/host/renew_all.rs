//! The main job: a control plane whose certificates have all expired is whole again.

use crate::support::Tree;

#[test]
fn an_expired_control_plane_is_whole_again() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.kubepki(&["status"]).expect(4);
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.kubepki(&["status"]).expect(0);
    tree.assert_sound();
}
