//! State on real servers: S3 (MinIO) and the API server of Kubernetes. Without the servers these tests say that they are skipped.

mod k8s;
mod kube;
mod matrix;
mod s3;
