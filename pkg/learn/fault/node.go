package fault

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/apiserver"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// rangeIsTheNodes checks that the range in the CNI configuration is the node's.
func rangeIsTheNodes(ctx context.Context, e env) error {
	out, err := provider.Output(ctx, e.node, "cat", "/etc/cni/net.d/10-mkube.conflist")
	if err != nil {
		return err
	}
	for _, cidr := range e.PodCIDRs(e.node) {
		if !strings.Contains(string(out), `"`+cidr.String()+`"`) {
			return fmt.Errorf("pods on %s get addresses outside %s", e.node.Name(), cidr)
		}
	}
	return nil
}

// kubeletFiles writes the files of a kubelet that registers.
func kubeletFiles(ctx context.Context, e env) error {
	list, err := kubelet.Registration().Files(e.Cluster, e.node)
	if err != nil {
		return err
	}
	return provider.WriteFiles(ctx, e.node, list)
}

// expireKubelet gives the kubelet a certificate that is valid for one second. A certificate of
// yesterday would be older than its authority.
func expireKubelet(ctx context.Context, e env) error {
	file, err := component.Kubeconfig(e.Cluster, e.node, names.KubeletKubeconfig, pki.Request{
		CommonName: "system:node:" + e.node.Name(), Organizations: []string{"system:nodes"},
		Now: time.Now(), Validity: time.Second,
	})
	if err != nil {
		return err
	}
	if err := provider.WriteFiles(ctx, e.node, []provider.File{file}); err != nil {
		return err
	}
	return e.sh(ctx, "systemctl restart kubelet")
}

// kubeletIsLetIn reads the kubelet's node from the API server, with the kubelet's kubeconfig.
func kubeletIsLetIn(ctx context.Context, e env) error {
	_, err := provider.Output(ctx, e.node, "kubectl", "--kubeconfig", names.KubeletKubeconfig, "get", "node", e.node.Name())
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("the API server refuses the kubelet of %s: %s", e.node.Name(), exit.Reason())
	}
	return err
}

// wrongCertificate gives the API server a certificate for another name and address.
func wrongCertificate(ctx context.Context, e env) error {
	pair, err := e.PKI.Issue(e.PKI.Cluster, pki.Request{
		CommonName: "kube-apiserver", DNSNames: []string{"api.example.com"}, IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Usage: pki.Server,
	})
	if err != nil {
		return err
	}
	if err := provider.WriteFiles(ctx, e.node, component.Certificate(names.PKIDir+"/apiserver", pair)); err != nil {
		return err
	}
	return restart(ctx, e)
}

// restart stops the component's container, which the kubelet then starts again. By default,
// crictl waits only two seconds longer than the container's grace period for the runtime, so it
// gets a longer timeout.
func restart(ctx context.Context, e env) error {
	return e.sh(ctx, fmt.Sprintf("crictl ps --quiet --name '^%s$' | xargs -r crictl --timeout 30s stop --timeout 5 >/dev/null", e.component.Name))
}

// answers checks that the API server on the node answers. It does not use the API of the cluster:
// with several control planes, another API server would answer.
func answers(ctx context.Context, e env) error { return apiserver.Answers(ctx, e.node) }

// fillEtcd sets a quota for etcd that its database already exceeds.
func fillEtcd(ctx context.Context, e env) error {
	err := e.sh(ctx, `sed -i '/--data-dir=/a\    - "--quota-backend-bytes=65536"' /etc/kubernetes/manifests/etcd.yaml`)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, effectLimit)
	defer cancel()
	// The first write raises the alarm. Before that, etcd restarts, and may not answer.
	return component.Eventually(ctx, func() error {
		if err := works(ctx, e); err == nil || !strings.Contains(err.Error(), "space exceeded") {
			return fmt.Errorf("etcd is not full yet: %w", err)
		}
		return nil
	})
}

// emptyEtcd removes the quota, and disarms the alarm when etcd has restarted.
func emptyEtcd(ctx context.Context, e env) error {
	if err := startAgain(ctx, e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, effectLimit)
	defer cancel()
	return component.Eventually(ctx, func() error {
		if err := e.sh(ctx, "mkube-etcd alarm disarm"); err != nil {
			return err
		}
		return works(ctx, e)
	})
}
