// Package suite pins Kubernetes' end-to-end tests, their runner, and the programs of their images.
// Its versions are those of node-image/kubernetes, so that both share the compiler's results.
package suite

import _ "k8s.io/kubernetes/test/e2e"
