// Package suite pins Kubernetes' end-to-end tests, the runner for them, and the
// programs of their images. Its versions are those of node-image/kubernetes, so that
// what that part compiled is not compiled again.
package suite

import _ "k8s.io/kubernetes/test/e2e"
