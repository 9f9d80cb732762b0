//! Tests on real servers: state in S3 (MinIO) and Kubernetes, and the plugins `kube` and `helm`. Without the servers these tests say that they
//! are skipped.

mod helm;
mod k8s;
mod kube;
mod matrix;
mod pods;
mod s3;
mod shop;
