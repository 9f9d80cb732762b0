//! Tests on real servers: state in S3 (MinIO) and Kubernetes, and the plugin `kube`. Without the servers these tests say that they
//! are skipped.

mod k8s;
mod kube;
mod matrix;
mod s3;
