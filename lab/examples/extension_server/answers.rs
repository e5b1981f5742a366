//! What is answered, by path: discovery and one list of the API group `lab.kubepki.dev`, admission
//! reviews that allow everything, conversions that change nothing but the version.

use serde_json::{Value, json};

use crate::front_proxy::Verdict;
use crate::http::{Answer, Request};

const GROUP_VERSION: &str = "lab.kubepki.dev/v1";

/// Answers a request. Only the aggregated API asks who it is that asks.
pub fn answer(request: &Request, verdict: &Verdict) -> Answer {
    let body = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    match request.path.as_str() {
        "/healthz" => fine(json!("ok")),
        "/validate" | "/mutate" => fine(admitted(&body)),
        "/convert" => fine(converted(&body)),
        path if path.starts_with("/apis") => match verdict {
            Verdict::Accepted { user } => api(path, user),
            Verdict::Refused { reason } => failure(401, "Unauthorized", reason),
        },
        path => failure(404, "NotFound", path),
    }
}

fn api(path: &str, user: &str) -> Answer {
    let version = json!({ "groupVersion": GROUP_VERSION, "version": "v1" });
    let group = json!({
        "apiVersion": "v1",
        "kind": "APIGroup",
        "name": "lab.kubepki.dev",
        "versions": [version],
        "preferredVersion": version,
    });
    match path {
        "/apis" => fine(json!({ "apiVersion": "v1", "kind": "APIGroupList", "groups": [group] })),
        "/apis/lab.kubepki.dev" => fine(group),
        "/apis/lab.kubepki.dev/v1" => fine(json!({
            "apiVersion": "v1",
            "kind": "APIResourceList",
            "groupVersion": GROUP_VERSION,
            "resources": [{
                "name": "callers",
                "singularName": "caller",
                "kind": "Caller",
                "namespaced": false,
                "verbs": ["list"],
            }],
        })),
        "/apis/lab.kubepki.dev/v1/callers" => fine(json!({
            "apiVersion": GROUP_VERSION,
            "kind": "CallerList",
            "metadata": {},
            "items": [{
                "apiVersion": GROUP_VERSION,
                "kind": "Caller",
                "metadata": { "name": "you" },
                "user": user,
            }],
        })),
        _ => failure(404, "NotFound", path),
    }
}

/// <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>
fn admitted(review: &Value) -> Value {
    json!({
        "apiVersion": review["apiVersion"],
        "kind": review["kind"],
        "response": { "uid": review["request"]["uid"], "allowed": true },
    })
}

/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#response>
fn converted(review: &Value) -> Value {
    let version = &review["request"]["desiredAPIVersion"];
    let mut objects = review["request"]["objects"].clone();
    for object in objects.as_array_mut().into_iter().flatten() {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".to_owned(), version.clone());
        }
    }
    json!({
        "apiVersion": review["apiVersion"],
        "kind": review["kind"],
        "response": {
            "uid": review["request"]["uid"],
            "convertedObjects": objects,
            "result": { "status": "Success" },
        },
    })
}

fn fine(body: Value) -> Answer {
    Answer { status: 200, body }
}

fn failure(status: u16, reason: &str, message: &str) -> Answer {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    });
    Answer { status, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &str, body: &Value, verdict: &Verdict) -> Answer {
        let request = Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        answer(&request, verdict)
    }

    fn nobody() -> Verdict {
        Verdict::Refused {
            reason: "no client certificate was shown".to_owned(),
        }
    }

    #[test]
    fn only_the_front_proxy_asks_the_api() {
        let refused = ask("/apis/lab.kubepki.dev/v1", &Value::Null, &nobody());
        assert_eq!(refused.status, 401);
        let user = Verdict::Accepted {
            user: "someone".to_owned(),
        };
        let list = ask("/apis/lab.kubepki.dev/v1/callers", &Value::Null, &user);
        assert_eq!(list.body["items"][0]["user"], "someone");
    }

    #[test]
    fn a_review_is_answered_with_its_own_uid() {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": { "uid": "1" },
        });
        let answer = ask("/validate", &review, &nobody()).body;
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"], json!({ "uid": "1", "allowed": true }));
    }

    #[test]
    fn conversion_changes_the_version_alone() {
        let review = json!({ "request": {
            "uid": "2",
            "desiredAPIVersion": "lab.kubepki.dev/v2",
            "objects": [{ "apiVersion": "lab.kubepki.dev/v1", "spec": { "a": 1 } }],
        }});
        let answer = ask("/convert", &review, &nobody()).body;
        assert_eq!(
            answer["response"]["convertedObjects"],
            json!([{ "apiVersion": "lab.kubepki.dev/v2", "spec": { "a": 1 } }])
        );
    }
}
