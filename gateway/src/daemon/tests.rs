use super::*;
use crate::api::client::Client;
use std::{os::unix::fs::MetadataExt as _, path::Path};

fn config(dir: &Path) -> Config {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Tests run at the same time, so each gateway takes any free port.
    let text = format!(
        "[node]\nurl = \"ws://{free}\"\n[delivery]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n[[device]]\nname = \"shed\""
    );
    Config::parse(&text, &dir.join("gateway.toml"), []).unwrap()
}

fn node(config: &Config) -> NodeConnection {
    NodeConnection::Url(config.node.url.clone())
}

fn keys() -> KeyPair {
    KeyPair::from_seed([7; 32])
}

#[tokio::test]
async fn a_gateway_without_a_node_logs_events_and_keeps_them_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    for run_number in 1..=2 {
        let shutdown = CancellationToken::new();
        let daemon = tokio::spawn(run(config.clone(), keys(), node(&config), shutdown.clone()));
        let client = Client::new(&config.api.socket).unwrap();
        while client.status().await.is_err() {
            assert!(!daemon.is_finished(), "{:?}", daemon.await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.add_lines("shed", "[{\"n\":\"a\",\"v\":1}]\n[{\"n\":\"a\",\"v\":2}]".into()).await.unwrap();
        let status = client.status().await.unwrap();
        assert_eq!(status.log.unwrap().size, 2 * run_number);
        assert_eq!(std::fs::metadata(&config.gateway.data_dir).unwrap().mode() & 0o777, 0o700);
        let chain = status.components.iter().find(|part| part.name == "chain").unwrap();
        let ComponentState::Retrying { problem, remedy } = &chain.state else { panic!("{chain:?}") };
        assert!(problem.contains(config.node.url.as_str()) && !remedy.is_empty(), "{problem}; {remedy}");
        shutdown.cancel();
        daemon.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_second_gateway_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let log = Log::open(&config.gateway.data_dir, LogId::first(keys().account())).unwrap();
    let error = run(config.clone(), keys(), node(&config), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    drop(log);
}

#[tokio::test]
async fn a_log_of_another_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    drop(Log::open(&config.gateway.data_dir, LogId::first(keys().account())).unwrap());
    let stranger = KeyPair::from_seed([8; 32]);
    let error = run(config.clone(), stranger, node(&config), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, DaemonError::Open(OpenError::OtherLog { .. })), "{error}");
}

/// Waits until the API of a running daemon answers.
async fn wait_for_api(client: &Client, daemon: &tokio::task::JoinHandle<Result<(), DaemonError>>) {
    let answers = async {
        while client.status().await.is_err() {
            assert!(!daemon.is_finished(), "the daemon ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), answers).await.expect("the API does not answer");
}

#[tokio::test]
async fn a_socket_that_cannot_be_listened_on_does_not_end_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    std::fs::write(&config.api.socket, "no socket").unwrap();
    let shutdown = CancellationToken::new();
    let daemon = tokio::spawn(run(config.clone(), keys(), node(&config), shutdown.clone()));
    // The log is open: nobody else can open it.
    while Log::identity(&config.gateway.data_dir).ok().flatten().is_none() {
        assert!(!daemon.is_finished(), "{:?}", daemon.await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!daemon.is_finished());
    std::fs::remove_file(&config.api.socket).unwrap();
    let client = Client::new(&config.api.socket).unwrap();
    wait_for_api(&client, &daemon).await;
    client.add_lines("shed", "[{\"n\":\"a\",\"v\":1}]".into()).await.unwrap();
    shutdown.cancel();
    daemon.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_delivery_address_in_use_does_not_end_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(dir.path());
    let port = taken.local_addr().unwrap().port();
    config.delivery.listen = vec![
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap(),
        "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap(),
    ];
    let shutdown = CancellationToken::new();
    let daemon = tokio::spawn(run(config.clone(), keys(), node(&config), shutdown.clone()));
    let client = Client::new(&config.api.socket).unwrap();
    wait_for_api(&client, &daemon).await;
    client.add_lines("shed", "[{\"n\":\"a\",\"v\":1}]".into()).await.unwrap();
    let reached = |count| {
        let (client, daemon) = (&client, &daemon);
        async move {
            while client.status().await.unwrap().peer.addresses.len() != count {
                assert!(!daemon.is_finished(), "the daemon ended");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached(1)).await.expect("the other address is used");
    drop(taken);
    tokio::time::timeout(Duration::from_secs(30), reached(2)).await.expect("the freed address is used");
    shutdown.cancel();
    daemon.await.unwrap().unwrap();
}

#[test]
fn a_log_that_can_no_longer_be_anchored_is_not_continued() {
    let state = |number, open| Some(EpochState { number, open });
    assert!(check_epoch(None, 0).is_ok());
    assert!(check_epoch(state(1, true), 1).is_ok());
    // The node is behind.
    assert!(check_epoch(state(0, true), 1).is_ok());
    assert!(check_epoch(state(0, false), 1).is_ok());
    for (found, stored) in [(state(1, false), 1), (state(2, true), 1), (state(2, false), 1)] {
        let error = check_epoch(found, stored).unwrap_err();
        assert!(error.remedy().contains("data_dir") && error.to_string().contains("epoch 1"), "{error}");
    }
}

#[test]
fn an_empty_folder_begins_the_open_log_also_without_a_node() {
    let gateway = keys().account();
    let log = |epoch| LogId { gateway, epoch };
    let state = |number, open| Some(EpochState { number, open });
    let begun = |state, stored| log_to_begin(gateway, state, stored).ok();
    assert_eq!(begun(None, None), Some(log(0)));
    assert_eq!(begun(None, Some(log(2))), Some(log(2)));
    assert_eq!(begun(state(3, true), Some(log(2))), Some(log(3)));
    assert_eq!(begun(state(3, false), Some(log(3))), None);
    // The node is behind.
    assert_eq!(begun(state(1, false), Some(log(2))), Some(log(2)));
    // The folder was prepared for another gateway.
    assert_eq!(begun(None, Some(LogId { gateway: AccountId([1; 32]), epoch: 5 })), Some(log(0)));
}

#[tokio::test]
async fn a_gateway_that_starts_before_its_node_begins_the_stored_log() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let log = LogId { gateway: keys().account(), epoch: 2 };
    std::fs::create_dir_all(&config.gateway.data_dir).unwrap();
    crate::log_id::store(&config.gateway.data_dir, log).unwrap();
    let (opened, chain) =
        open_and_check(&config, keys().account(), &node(&config), &StatusBoard::new()).await.unwrap();
    assert!(opened.id() == log && chain.is_none());
}

#[tokio::test]
async fn devices_come_and_go_while_the_gateway_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    let text = "[node]\nurl = \"ws://127.0.0.1:1\"\n[delivery]\nlisten = []\n[[device]]\nname = \"shed\"\n";
    std::fs::write(&path, text).unwrap();
    let config = Config::parse(text, &path, []).unwrap();
    let shutdown = CancellationToken::new();
    let daemon = tokio::spawn(run(config.clone(), keys(), node(&config), shutdown.clone()));
    let client = Client::new(&config.api.socket).unwrap();
    while client.status().await.is_err() {
        assert!(!daemon.is_finished(), "{:?}", daemon.await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let line = || "[{\"n\":\"a\",\"v\":1}]".to_owned();
    assert!(client.add_lines("barn", line()).await.is_err());

    // A device that the gateway signs for, and one with an adapter that finds nothing at its port.
    let port = dir.path().join("none");
    let more = format!(
        "{text}[[device]]\nname = \"barn\"\n[[device]]\nname = \"car\"\n[device.obd]\nport = \"{}\"\n\
         [anchor]\nevery_events = 7\n",
        port.display()
    );
    std::fs::write(&path, more).unwrap();
    let view = client.reload().await.unwrap();
    assert_eq!((view.added.join(","), view.changed.len(), view.removed.len()), ("barn,car".into(), 0, 0));
    assert_eq!(view.needs_restart, ["anchor"]);
    client.add_lines("barn", line()).await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!(status.log.unwrap().size, 1);
    assert!(status.components.iter().any(|part| part.name == "device/car"), "{:?}", status.components);

    // A file that cannot be used changes nothing.
    std::fs::write(&path, "[[device]]\nnome = \"barn\"").unwrap();
    assert!(client.reload().await.unwrap_err().to_string().contains("gateway.toml:2"));
    client.add_lines("barn", line()).await.unwrap();

    std::fs::write(&path, text).unwrap();
    let view = client.reload().await.unwrap();
    assert_eq!((view.removed.join(","), view.needs_restart.len()), ("barn,car".into(), 0));
    assert!(client.add_lines("barn", line()).await.is_err());
    let status = client.status().await.unwrap();
    assert_eq!((status.log.unwrap().size, status.devices.len()), (2, 1));
    assert!(!status.components.iter().any(|part| part.name == "device/car"), "{:?}", status.components);
    shutdown.cancel();
    daemon.await.unwrap().unwrap();
}
