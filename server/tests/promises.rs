//! What `protocol/README.md` promises beyond single words, held by a server over JSON lines.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use serde_json::{Value, json};

use crate::{
    lines::{Talker, start},
    support::slot,
};

#[test]
fn keys_of_the_servers_own_are_refused_wherever_a_key_is_said() {
    let (_data_dir, server, address) = start();
    let own = "0000000000000000ff00000000000000";
    let is_refused = |answer: &Value| {
        assert_eq!(answer["error"], "server-key", "{answer}");
        assert_eq!(answer["fatal"], false, "{answer}");
    };
    let mut ann = Talker::connect(address);
    for word in ["register", "log-in"] {
        let request = json!({"do": word, "name": "ann", "password": "correct horse", "key": own});
        is_refused(&ann.ask(&request));
    }
    let mut bob = Talker::member(address, "bob");
    let send = |key| json!({"do": "send", "to": "public", "text": "hello", "key": key});
    is_refused(&bob.ask(&send(own)));
    // A text is hashed, whatever it looks like.
    for key in [
        "0000000000000000",
        "0000000000000000ff0000000000000",
        "\0\0\0\0\0\0\0\0",
    ] {
        bob.seq(&send(key));
    }
    // Nothing was considered: the name is free.
    assert_eq!(
        ann.ask(&json!({"do": "register", "name": "ann", "password": "correct horse"}))["ok"],
        "registered"
    );
    drop(server);
}

#[test]
fn the_number_of_the_conversation_is_refused() {
    let (_data_dir, _server, address) = start();
    let mut bob = Talker::member(address, "bob");
    for request in [
        json!({"id": 0, "do": "who-am-i"}),
        json!({"id": 0, "do": "send", "to": "public", "text": "hello"}),
        json!({"id": 0, "do": "ping"}),
    ] {
        let answer = bob.ask(&request);
        assert_eq!(answer["error"], "zero-correlation", "{answer}");
    }
    bob.user();
}

#[test]
fn only_a_seller_is_assigned_to_a_store() {
    let (_data_dir, server, address) = start();
    let mut admin = Talker::admin(&server);
    let ann = Talker::member(address, "ann").user();
    let network = admin.seq(&json!({"do": "open-network", "name": "north"}));
    let store = admin.seq(&json!({"do": "open-store", "network": network, "name": "one"}));
    let assign = json!({"do": "assign-seller", "seller": ann, "store": store});
    for roles in [0, 2, 4] {
        admin.seq(&json!({"do": "set-roles", "user": ann, "roles": roles}));
        let answer = admin.ask(&assign);
        assert_eq!(answer["refused"], "not-seller", "{answer}");
        assert_eq!(answer["value"], ann, "{answer}");
    }
    admin.seq(&json!({"do": "set-roles", "user": ann, "roles": 1}));
    admin.seq(&assign);
}

#[test]
fn who_was_erased_is_no_seller_and_their_sales_stay() {
    let (_data_dir, server, address) = start();
    let mut admin = Talker::admin(&server);
    let mut ann = Talker::member(address, "ann");
    let id = ann.user();
    let network = admin.seq(&json!({"do": "open-network", "name": "north"}));
    let store = admin.seq(&json!({"do": "open-store", "network": network, "name": "one"}));
    admin.seq(&json!({"do": "set-roles", "user": id, "roles": 1}));
    admin.seq(&json!({"do": "assign-seller", "seller": id, "store": store}));
    let sale = "00000000000000000000000000000001";
    ann.seq(&json!({"do": "record-sale", "sale": sale, "store": store, "cents": 250, "day": 1}));
    let total = json!({"do": "seller-total", "seller": id});
    assert_eq!(
        admin.ask(&total)["total"],
        json!({"cents": 250, "sales": 1})
    );
    ann.seq(&json!({"do": "erase-me"}));
    let refused = admin.ask(&total);
    assert_eq!(refused["refused"], "unknown-seller", "{refused}");
    assert!(
        refused["sentence"].as_str().unwrap().contains("erased"),
        "{refused}"
    );
    let period = json!({"from": 0, "to": 9});
    let of_store = admin.ask(&json!({"do": "store-total", "store": store, "period": period}));
    assert_eq!(
        of_store["total"],
        json!({"cents": 250, "sales": 1}),
        "{of_store}"
    );
}

/// The next push of this name; entries and receipts are passed over.
fn pushed(talker: &mut Talker, name: &str) -> Value {
    loop {
        let line = talker.hear().expect("not the end");
        if line["push"] == name {
            return line;
        }
        assert!(line["error"].is_null(), "{line}");
    }
}

/// The steps of a trail: the position, who took them, and what they were about.
fn steps(talker: &mut Talker, user: u64) -> Vec<(u64, u64, String, Value)> {
    let ask = json!({"do": "read-trail", "subject": {"user": user}, "before": 0, "limit": 50});
    let page = talker.ask(&ask);
    let entries = page["entries"]
        .as_array()
        .unwrap_or_else(|| panic!("{page}"));
    let step = |entry: &Value| {
        let command = entry["command"].as_str().unwrap().to_owned();
        let (seq, actor) = (entry["seq"].as_u64(), entry["actor"].as_u64());
        (
            seq.unwrap(),
            actor.unwrap(),
            command,
            entry["about"].clone(),
        )
    };
    entries.iter().map(step).collect()
}

#[test]
fn an_admins_cancel_reaches_the_holder_now_and_on_a_fresh_device() {
    let (_data_dir, server, address) = start();
    let mut admin = Talker::admin(&server);
    let root = admin.user();
    let mut ann = Talker::member(address, "ann");
    let id = ann.user();
    ann.seq(&json!({"do": "subscribe"}));
    let slot = slot(3, 5);
    let slot = json!({"agenda": 3, "day": slot.day, "slot": slot.slot});
    let booking = ann.seq(&json!({"do": "reserve", "slot": slot}));
    let cancel = json!({"id": 9, "do": "cancel", "booking": booking});
    let answer = admin.ask(&cancel);
    assert_eq!(answer["ok"], "booking-cancelled", "{answer}");
    let told = pushed(&mut ann, "booking-cancelled");
    for line in [&told, &answer] {
        assert_eq!(
            (
                &line["booking"],
                &line["user"],
                &line["by"],
                &line["slot"],
                &line["seq"]
            ),
            (
                &json!(booking),
                &json!(id),
                &json!(root),
                &slot,
                &answer["seq"]
            ),
            "{line}"
        );
    }
    // A device that was not there is told the same.
    let mut other = Talker::connect(address);
    let log_in = json!({"do": "log-in", "name": "ann", "password": "correct horse"});
    other.seq(&log_in);
    other.seq(&json!({"do": "subscribe", "from": booking}));
    assert_eq!(pushed(&mut other, "booking-cancelled"), told);
    // Nobody else is, and their own cancels are no news to people.
    let own = ann.seq(&json!({"do": "reserve", "slot": slot}));
    assert_eq!(
        ann.ask(&json!({"do": "cancel", "booking": own}))["ok"],
        "cancelled"
    );
    let trail = steps(&mut ann, id);
    let by_admin = (answer["seq"].as_u64().unwrap(), root, "cancel".to_owned());
    let about = json!({"booking": {"booking": booking, "slot": slot}});
    assert!(
        trail.contains(&(by_admin.0, by_admin.1, by_admin.2, about)),
        "{trail:?}"
    );
}

#[test]
fn what_others_and_the_rules_do_to_somebody_is_pushed_and_on_their_trail() {
    let (_data_dir, server, address) = start();
    let mut admin = Talker::admin(&server);
    let root = admin.user();
    let mut ann = Talker::member(address, "ann");
    let id = ann.user();
    ann.seq(&json!({"do": "subscribe"}));
    let roles = admin.seq(&json!({"do": "set-roles", "user": id, "roles": 1}));
    assert_eq!(pushed(&mut ann, "roles-set")["roles"], 1);
    let network = admin.seq(&json!({"do": "open-network", "name": "north"}));
    let store = admin.seq(&json!({"do": "open-store", "network": network, "name": "one"}));
    let assign = json!({"do": "assign-seller", "seller": id, "store": store});
    let assigned = admin.seq(&assign);
    let told = pushed(&mut ann, "assigned");
    assert_eq!((&told["store"], &told["by"]), (&json!(store), &json!(root)));
    let group = json!({"do": "create-group", "name": "us", "members": [id]});
    let group = admin.seq(&group);
    let removed = admin.seq(&json!({"do": "remove-member", "group": group, "user": id}));
    assert_eq!(
        pushed(&mut ann, "entry")["content"],
        json!({"created": "us"})
    );
    assert_eq!(pushed(&mut ann, "entry")["content"], json!({"removed": id}));
    let slot = slot(3, 5);
    let slot = json!({"agenda": 3, "day": slot.day, "slot": slot.slot});
    let mut bob = Talker::member(address, "bob");
    let booking = bob.seq(&json!({"do": "reserve", "slot": slot}));
    ann.seq(&json!({"do": "join-waitlist", "slot": slot}));
    let cancelled = bob.seq(&json!({"do": "cancel", "booking": booking}));
    assert_eq!(pushed(&mut ann, "promoted")["seq"], cancelled + 1);
    let trail: Vec<_> = steps(&mut ann, id).into_iter().take(5).collect();
    let expected = [
        (cancelled + 1, 0, "promote", json!({"slot": slot})),
        (cancelled - 1, id, "join-waitlist", json!({"slot": slot})),
        (
            removed,
            root,
            "remove-member",
            json!({"member": {"conversation": group, "user": id}}),
        ),
        (
            assigned,
            root,
            "assign-seller",
            json!({"seller": {"user": id, "store": store}}),
        ),
        (
            roles,
            root,
            "set-roles",
            json!({"roles": {"user": id, "roles": 1}}),
        ),
    ];
    assert_eq!(
        trail,
        expected.map(|(seq, actor, command, about)| (seq, actor, command.to_owned(), about))
    );
}

#[test]
fn a_trail_says_which_slot_and_day() {
    let (_data_dir, _server, address) = start();
    let mut ann = Talker::member(address, "ann");
    let id = ann.user();
    let slot = slot(3, 5);
    let slot = json!({"agenda": 3, "day": slot.day, "slot": slot.slot});
    let booking = ann.seq(&json!({"do": "hold", "slot": slot, "seconds": 60}));
    ann.seq(&json!({"do": "confirm", "booking": booking}));
    let refused = ann.ask(&json!({"do": "reserve", "slot": slot}));
    assert!(refused["refused"].is_string(), "{refused}");
    ann.seq(&json!({"do": "cancel", "booking": booking}));
    let refused = ann.ask(&json!({"do": "cancel", "booking": booking}));
    assert_eq!(refused["refused"], "unknown-booking");
    let abouts: Vec<Value> = steps(&mut ann, id).into_iter().map(|step| step.3).collect();
    let of_booking = |slot| json!({"booking": {"booking": booking, "slot": slot}});
    let expected = [
        of_booking(Value::Null),
        of_booking(slot.clone()),
        json!({"slot": slot}),
        of_booking(slot.clone()),
        json!({"slot": slot}),
    ];
    assert_eq!(abouts[..5], expected);
}

#[test]
fn a_last_line_without_its_end_is_answered() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    talker.write(b"{\"do\":\"ping\"}");
    talker.finish();
    assert_eq!(talker.hear(), Some(json!({"id": 1, "ok": "pong"})));
    assert_eq!(talker.hear(), None);
    // Also behind an authentication, whose answer it waits for.
    Talker::member(address, "ann");
    let mut talker = Talker::connect(address);
    let log_in = json!({"do": "log-in", "name": "ann", "password": "correct horse"});
    talker.write(format!("{log_in}\n{{\"do\":\"who-am-i\"}}").as_bytes());
    talker.finish();
    assert_eq!(talker.hear().unwrap()["ok"], "session-opened");
    assert_eq!(talker.hear().unwrap()["ok"], "me");
    assert_eq!(talker.hear(), None);
    // A line that is cut short says so.
    let mut talker = Talker::connect(address);
    talker.write(b"{\"do\":\"ping\"}\n{\"do\":\"pi");
    talker.finish();
    let said = [talker.hear().unwrap(), talker.hear().unwrap()];
    assert!(said.iter().any(|line| line["ok"] == "pong"), "{said:?}");
    assert!(
        said.iter().any(|line| line["error"] == "bad-line"),
        "{said:?}"
    );
    assert_eq!(talker.hear(), None);
}

#[test]
fn a_byte_order_mark_goes_before_the_first_line_only() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    talker.write(b"\xef\xbb\xbf{\"do\":\"ping\"}\r\n");
    assert_eq!(talker.hear(), Some(json!({"id": 1, "ok": "pong"})));
    talker.write(b"\xef\xbb\xbf{\"do\":\"ping\"}\n");
    assert_eq!(talker.hear().unwrap()["error"], "bad-line");
    let pong = talker.ask(&json!({"do": "ping"}));
    assert_eq!(pong["ok"], "pong");
}

#[test]
fn a_hello_is_answered_under_its_id() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    let welcome = talker.ask(&json!({"id": 7, "do": "hello"}));
    assert_eq!(
        (&welcome["ok"], &welcome["id"]),
        (&json!("welcome"), &json!(7))
    );
    let welcome = talker.ask(&json!({"do": "hello"}));
    assert_eq!(
        (&welcome["ok"], &welcome["id"]),
        (&json!("welcome"), &Value::Null)
    );
}

#[test]
fn numbers_have_no_fraction() {
    let (_data_dir, _server, address) = start();
    let mut bob = Talker::member(address, "bob");
    for booking in ["1.0", "1e0", "\"1\"", "-1"] {
        bob.say(&format!("{{\"do\":\"cancel\",\"booking\":{booking}}}"));
        assert_eq!(bob.hear().unwrap()["error"], "bad-line", "{booking}");
    }
}
