//! Flags, units and settings files in the shapes in which they are found.

use kubepki_core::formats::component_config;
use kubepki_core::formats::flags::{self, Flags};
use kubepki_core::formats::kubelet_config::KubeletConfiguration;
use kubepki_core::formats::unit_file::{UnitFile, parse_environment_file};
use kubepki_core::model::ComponentKind;
use proptest::prelude::*;
use std::path::Path;

#[test]
fn go_flags_in_every_form() {
    let flags = Flags::from_argv(&[
        "kube-apiserver",
        "--a=1",
        "--b",
        "2",
        "-c=3",
        "--d",
        "--e=",
        "--a=4",
        "--f_g=5",
        "-v",
        "2",
        "--list=x,y",
        "--list",
        "z",
        "--",
        "rest",
        "-9",
    ]);
    assert_eq!(flags.one("a"), Some("4"));
    assert_eq!(flags.all("a").collect::<Vec<_>>(), ["1", "4"]);
    assert_eq!(flags.one("b"), Some("2"));
    assert_eq!(flags.one("c"), Some("3"));
    assert_eq!(
        (flags.one("d"), flags.is_set("d"), flags.boolean("d")),
        (None, true, Some(true))
    );
    assert_eq!((flags.one("e"), flags.boolean("e")), (Some(""), None));
    assert_eq!(flags.one("f-g"), Some("5"));
    assert_eq!(flags.one("v"), Some("2"));
    assert_eq!(flags.list("list").collect::<Vec<_>>(), ["x", "y", "z"]);
    assert_eq!(flags.positional(), ["--", "rest", "-9"]);
    assert_eq!((flags.one("absent"), flags.boolean("absent")), (None, None));
    assert_eq!(Flags::from_argv::<&str>(&[]), Flags::default());
}

#[test]
fn a_component_is_found_behind_wrappers_and_shells() {
    let cases: [(&[&str], Option<ComponentKind>); 16] = [
        (&["/usr/local/bin/etcd", "--x=1"], Some(ComponentKind::Etcd)),
        (
            &["/hyperkube", "kubelet", "--x=1"],
            Some(ComponentKind::Kubelet),
        ),
        (
            &["/hyperkube", "apiserver", "--x=1"],
            Some(ComponentKind::KubeApiserver),
        ),
        (
            &["/opt/rke-tools/entrypoint.sh", "kube-proxy", "--x=1"],
            Some(ComponentKind::KubeProxy),
        ),
        (
            &["tini", "--", "kube-scheduler", "--x=1"],
            Some(ComponentKind::KubeScheduler),
        ),
        (
            &[
                "/go-runner",
                "--log-file=/var/log/a.log",
                "--",
                "/usr/local/bin/kube-controller-manager",
                "--x=1",
            ],
            Some(ComponentKind::KubeControllerManager),
        ),
        (
            &["nice", "-n", "-10", "etcd", "--x=1"],
            Some(ComponentKind::Etcd),
        ),
        (
            &[
                "/bin/sh",
                "-c",
                "exec /usr/local/bin/kube-apiserver --x=1 1>>/var/log/a.log 2>&1",
            ],
            Some(ComponentKind::KubeApiserver),
        ),
        (
            &[
                "/bin/bash",
                "-ec",
                "set -o pipefail; mkdir -p /a && exec tini -- kubelet --x=1 | tee /b",
            ],
            Some(ComponentKind::Kubelet),
        ),
        (
            &["sh", "-c", "ETCD_NAME='a b' etcd --x 1"],
            Some(ComponentKind::Etcd),
        ),
        (&["vim", "kubelet", "--x=1"], None),
        (&["pgrep", "-f", "kube-apiserver"], None),
        (&["journalctl", "-u", "etcd"], None),
        (&["sh", "-c", "tail -f /var/log/kubelet"], None),
        (&["kubectl", "proxy"], None),
        (&["sh"], None),
    ];
    for (argv, component) in cases {
        let flags = Flags::from_argv(argv);
        assert_eq!(flags.component(), component, "{argv:?}");
        if component.is_some() {
            assert_eq!(flags.one("x"), Some("1"), "{argv:?}");
        }
    }
    let named = Flags::from_argv(&["sh", "-c", "ETCD_NAME='a b' etcd --x 1"]);
    assert_eq!(named.one("name"), Some("a b"));
}

#[test]
fn etcd_takes_flags_then_its_environment() {
    let environment = [
        ("ETCD_CERT_FILE", "/env.crt"),
        ("ETCD_NAME", "env"),
        ("PATH", "/bin"),
    ];
    let flags =
        Flags::from_argv(&["etcd", "--cert-file=/flag.crt"]).with_etcd_environment(environment);
    assert_eq!(flags.one("cert-file"), Some("/flag.crt"));
    assert_eq!(flags.one("name"), Some("env"));
    assert_eq!(flags.iter().count(), 2);
}

#[test]
fn etcd_settings_become_flags() {
    let text = "name: one\nlisten-client-urls: https://127.0.0.1:2379\nclient-transport-security:\n  cert-file: /s.crt\n  key-file: /s.key\n  client-cert-auth: true\n  trusted-ca-file: /ca.crt\npeer-transport-security:\n  cert-file: /p.crt\n  trusted-ca-file:\n";
    let flags = Flags::from_etcd_configuration(text).unwrap();
    assert_eq!(flags.component(), Some(ComponentKind::Etcd));
    assert_eq!(flags.one("cert-file"), Some("/s.crt"));
    assert_eq!(flags.one("trusted-ca-file"), Some("/ca.crt"));
    assert_eq!(flags.boolean("client-cert-auth"), Some(true));
    assert_eq!(flags.one("peer-cert-file"), Some("/p.crt"));
    assert_eq!(
        flags.one("listen-client-urls"),
        Some("https://127.0.0.1:2379")
    );
    assert!(!flags.is_set("peer-trusted-ca-file"));
    assert!(Flags::from_etcd_configuration("a: [").is_err());
}

#[test]
fn process_files_become_words() {
    assert_eq!(
        flags::argv_of_cmdline(b"etcd\0--a=b c\0\0"),
        ["etcd", "--a=b c", ""]
    );
    assert_eq!(flags::argv_of_cmdline(b""), Vec::<String>::new());
    let environ = b"PATH=/bin\0ETCD_NAME=a=b\0SECRET=x\0broken\0";
    let kept = flags::environment_of_environ(environ, "ETCD_");
    assert_eq!(kept, [("ETCD_NAME".to_owned(), "a=b".to_owned())]);
}

#[test]
fn a_unit_is_merged_with_its_drop_ins() {
    let unit = UnitFile::merge(&[
        "[Unit]\nDescription=x\n[Service]\n# c\nEnvironment=A=1 \"B=two words\" 'C=3'\nExecStart=/usr/bin/etcd \\\n  # within\n  --name ${A} \\\n  $ARGS\n[Install]\nExecStart=/no\n",
        "[Service]\nEnvironment=A=override\nEnvironmentFile=/must\n",
    ]);
    assert_eq!(unit.environment_files()[0].path, "/must");
    assert!(!unit.environment_files()[0].optional);
    let argv = unit.argv(&["ARGS=\"--data-dir='/a b' --x\"\n"]).unwrap();
    assert_eq!(
        argv,
        [
            "/usr/bin/etcd",
            "--name",
            "override",
            "--data-dir=/a b",
            "--x"
        ]
    );
    assert_eq!(unit.one("Unit", "Description"), Some("x"));
    assert_eq!(
        UnitFile::merge(&["[Service]\nExecStart=/a\n", "[Service]\nExecStart=\n"])
            .argv::<&str>(&[]),
        None
    );
}

#[test]
fn exec_prefixes_and_dollars_are_understood() {
    let argv = |line: &str| {
        let unit = UnitFile::merge(&[format!("[Service]\nEnvironment=A=1 E=\nExecStart={line}\n")]);
        unit.argv::<&str>(&[]).unwrap().join("|")
    };
    assert_eq!(argv("-/bin/a $A $UNSET $E \"${A}x\""), "/bin/a|1|1x");
    assert_eq!(argv("@/bin/a name --x"), "/bin/a|--x");
    assert_eq!(argv(":/bin/a $A ${A}"), "/bin/a|$A|${A}");
    assert_eq!(argv("+/bin/a $$A 100%% a$b ${A"), "/bin/a|$A|100%|a$b|${A");
    assert_eq!(argv("/bin/a --x ; /bin/b"), "/bin/a|--x");
}

#[test]
fn an_environment_file_is_read_as_systemd_does() {
    let text = "# comment\n; too\nA=1\n  B = two words  \nC=\"quoted # no comment\" \nD='single \\'\nE=a\\\n  b\nnoequals\nF=\"several\nlines\"\nG=\nH=x#y\nI=\"a\\\"b\\n\"\r\nJ=last";
    let found = parse_environment_file(text);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("A", "1"),
        ("B", "two words"),
        ("C", "quoted # no comment"),
        ("D", "single \\"),
        ("E", "a  b"),
        ("F", "several\nlines"),
        ("G", ""),
        ("H", "x#y"),
        ("I", "a\"b\\n"),
        ("J", "last"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn kubelet_configurations_are_overlaid_and_relative_paths_resolved() {
    let base = b"kind: KubeletConfiguration\nstaticPodPath: manifests\nport: 10250\nrotateCertificates: false\n";
    let over = b"{\"kind\":\"KubeletConfiguration\",\"rotateCertificates\":true,\"authentication\":{\"x509\":{\"clientCAFile\":\"/ca\"}}}";
    let folder = Path::new("/etc/kubelet");
    let base = KubeletConfiguration::parse(base)
        .unwrap()
        .with_paths_from(folder);
    let merged = base.overlaid_with(
        KubeletConfiguration::parse(over)
            .unwrap()
            .with_paths_from(folder),
    );
    assert_eq!(
        merged.static_pod_path.as_deref(),
        Some("/etc/kubelet/manifests")
    );
    assert_eq!(merged.rotate_certificates, Some(true));
    assert_eq!(merged.client_ca_file.as_deref(), Some("/ca"));
    assert_eq!(merged.port, Some(10250));
    let several =
        b"kind: KubeProxyConfiguration\nport: 1\n---\nkind: KubeletConfiguration\nport: 2\n";
    assert_eq!(KubeletConfiguration::parse(several).unwrap().port, Some(2));
    assert_eq!(
        KubeletConfiguration::parse(b"").unwrap(),
        KubeletConfiguration::default()
    );
    assert!(KubeletConfiguration::parse(b"\xff").is_err());
    let scheduler = b"clientConnection:\n  kubeconfig: /s.conf\n";
    assert_eq!(
        component_config::kubeconfig_of(scheduler)
            .unwrap()
            .as_deref(),
        Some("/s.conf")
    );
}

proptest! {
    #[test]
    fn nothing_makes_them_panic(
        words in proptest::collection::vec("[-a-z=\"'$\\\\ ]{0,12}", 0..6),
        text in "[a-zA-Z=\\[\\]\"'#;$\\\\{}%: \r\n-]{0,120}",
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let _ = Flags::from_argv(&words);
        let _ = Flags::from_argv(&["sh", "-c", &text]);
        let _ = Flags::from_etcd_configuration(&text);
        let unit = UnitFile::merge(&[&format!("[Service]\nExecStart={text}"), &text]);
        let _ = (unit.argv(&[&text]), unit.environment_files(), parse_environment_file(&text));
        let _ = flags::argv_of_cmdline(&bytes);
        let _ = flags::environment_of_environ(&bytes, "A");
        let _ = KubeletConfiguration::parse(&bytes);
    }

    #[test]
    fn a_flag_given_is_a_flag_found(name in "[a-z]{1,8}(-[a-z]{1,8}){0,2}", value in "[^\0\r]{0,20}") {
        let flags = Flags::from_argv(&["etcd".to_owned(), format!("--{name}={value}")]);
        prop_assert_eq!(flags.one(&name), Some(value.as_str()));
        let quoted = value.replace('\'', "'\\''");
        let flags = Flags::from_argv(&["sh".to_owned(), "-c".to_owned(), format!("exec etcd --{name}='{quoted}'")]);
        prop_assert_eq!(flags.one(&name), Some(value.as_str()));
    }
}
