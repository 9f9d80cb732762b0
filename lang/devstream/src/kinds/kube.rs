//! ZenTao as objects of Kubernetes.

use super::{Expr, ExprKind, Mapping, elements, expr, get, record, text};
use crate::build::list;
use dtm_lang::source::Span;

/// The port on which ZenTao answers.
const PORT: i64 = 80;

/// zentao: volumes, claims, a deployment and a service.
pub(super) fn zentao(mapping: &mut Mapping<'_>) {
    let span = mapping.tool.options.span;
    let class = mapping.option("storageClassName");
    let volumes = mapping.option("persistentVolumes|persistentVolume");
    let claims = mapping.option("persistentVolumeClaims|persistentVolumeClaim");
    let named = |e: &Expr, key: &str| get(e, key).cloned().unwrap_or_else(|| text(e.span, ""));
    let with_class = |fields: Vec<(&'static str, Expr)>| {
        let class = class.clone().map(|class| ("storageClassName", class));
        record(span, class.into_iter().chain(fields))
    };
    let modes = || list(span, [text(span, "ReadWriteOnce")]);
    let mut objects = vec![];
    for volume in volumes.iter().flat_map(elements) {
        let mut spec = vec![
            ("capacity", record(span, [("storage", named(&volume, "pvCapacity"))])),
            ("accessModes", modes()),
        ];
        if let Some(path) = get(&volume, "hostPath") {
            spec.push(("hostPath", record(span, [("path", path.clone())])));
        }
        objects.push(object(
            volume.span,
            ("v1", "PersistentVolume"),
            named(&volume, "pvName"),
            with_class(spec),
        ));
    }
    let claims: Vec<Expr> = claims.iter().flat_map(elements).collect();
    for claim in &claims {
        let wanted = record(span, [("storage", named(claim, "pvcCapacity"))]);
        let spec = vec![("accessModes", modes()), ("resources", record(span, [("requests", wanted)]))];
        objects.push(object(
            claim.span,
            ("v1", "PersistentVolumeClaim"),
            named(claim, "pvcName"),
            with_class(spec),
        ));
    }
    let of = |mapping: &Mapping<'_>, path: &str| mapping.option(path).unwrap_or_else(|| text(span, ""));
    let name = of(mapping, "deployment.name|serviceName");
    let labels = || record(span, [("app", name.clone())]);
    let env = mapping.option("deployment.envs").map(|envs| {
        let one = |e: Expr| record(e.span, [("name", named(&e, "key")), ("value", named(&e, "value"))]);
        ("env", list(envs.span, elements(&envs).into_iter().map(one)))
    });
    let container = [("name", name.clone()), ("image", of(mapping, "deployment.image"))];
    let mounts = claims.iter().map(|claim| {
        let claim = named(claim, "pvcName");
        let by = record(span, [("claimName", claim.clone())]);
        record(span, [("name", claim), ("persistentVolumeClaim", by)])
    });
    let pod = record(
        span,
        [
            ("containers", list(span, [record(span, container.into_iter().chain(env))])),
            ("volumes", list(span, mounts)),
        ],
    );
    let template = record(span, [("metadata", record(span, [("labels", labels())])), ("spec", pod)]);
    let replicas = mapping.option("deployment.replicas").unwrap_or_else(|| expr(span, ExprKind::Int(1)));
    let selector = record(span, [("matchLabels", labels())]);
    let spec = record(span, [("replicas", replicas), ("selector", selector), ("template", template)]);
    objects.push(object(span, ("apps/v1", "Deployment"), name.clone(), spec));
    let plain = |n: i64| expr(span, ExprKind::Int(n));
    let mut port = vec![("port", plain(PORT)), ("targetPort", plain(PORT))];
    if let Some(node) = mapping.option("service.nodePort") {
        port.push(("nodePort", node));
    }
    let spec = record(
        span,
        [
            ("type", text(span, "NodePort")),
            ("selector", labels()),
            ("ports", list(span, [record(span, port)])),
        ],
    );
    objects.push(object(span, ("v1", "Service"), of(mapping, "service.name"), spec));
    mapping.set("name", name);
    mapping.moves(&[("namespace", "namespace")]);
    mapping.set("objects", list(span, objects));
}

fn object(span: Span, (version, kind): (&str, &str), name: Expr, spec: Expr) -> Expr {
    record(
        span,
        [
            ("apiVersion", text(span, version)),
            ("kind", text(span, kind)),
            ("metadata", record(span, [("name", name)])),
            ("spec", spec),
        ],
    )
}
