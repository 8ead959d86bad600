// Package controllermanager runs kube-controller-manager, the controllers of the cluster.
package controllermanager

import (
	"context"
	_ "embed"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name       = names.KubeControllerManager
	dir        = names.PKIDir
	kubeconfig = "/etc/kubernetes/controller-manager.conf"
)

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New returns the controller manager, with one instance on each control plane. One of them is
// active.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "runs the controllers: creates ReplicaSets for Deployments, Pods for ReplicaSets, and much more",
			Lesson: lesson,
			Flags:  Flags,
			Ports:  []component.Port{{Number: 10257, Protocol: "TCP", For: "health and metrics, for the node itself"}},
			Effect: component.Effect{Claim: "a Deployment gets a ReplicaSet", Try: replicaSet},
		},
		Content: component.Content{
			On:       component.ControlPlanes,
			Files:    files,
			Manifest: staticPod,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.KubeAPIServer, Until: component.UntilServing},
			},
			Ready: ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	config, err := component.Kubeconfig(c, n, kubeconfig, pki.Request{CommonName: "system:kube-controller-manager"})
	return []provider.File{config}, err
}

// Flags returns the flags of kube-controller-manager. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "This file has the address of the API server, and the program's client certificate."},
		{Name: "authentication-kubeconfig", Value: kubeconfig, Why: "The API server authenticates the clients that read the metrics."},
		{Name: "authorization-kubeconfig", Value: kubeconfig, Why: "The API server decides whether a client may read the metrics."},
		{Name: "bind-address", Value: "127.0.0.1", Why: "Health and metrics are only available on the node itself."},
		{Name: "cluster-name", Value: c.Config.Name, Why: "A cloud would name its load balancers after the cluster."},
		{Name: "cluster-signing-cert-file", Value: dir + "/ca.crt", Why: "This authority signs approved certificate requests."},
		{Name: "cluster-signing-key-file", Value: dir + "/ca.key", Why: "This is the key of that authority."},
		{Name: "client-ca-file", Value: dir + "/ca.crt", Why: "Clients that read the metrics can authenticate with a certificate of this authority."},
		{Name: "requestheader-client-ca-file", Value: dir + "/front-proxy-ca.crt", Why: "This authority issues the certificate of the front proxy."},
		{Name: "root-ca-file", Value: dir + "/ca.crt", Why: "Every pod gets this certificate, so that it can verify the API server."},
		{Name: "service-account-private-key-file", Value: dir + "/sa.key", Why: "This key signs the tokens for Secrets that request one."},
		{Name: "use-service-account-credentials", Value: "true", Why: "Each controller has its own service account, with no more rights than it needs."},
		{Name: "kube-api-qps", Value: "500", Why: "Each controller first requests a token. The default of 20 requests per second would delay the start by seconds."},
		{Name: "kube-api-burst", Value: "1000", Why: "The reason is the same as for kube-api-qps."},
		component.NoProfiling(),
		component.LeaderElect(len(c.ControlPlanes())),
	}
	flags = append(flags, nodeCIDRs(c, n)...)
	return signers(c.Config, append(flags, component.FeatureGates(c.Config)...))
}

// signers replaces the flags of the authority for all signers if the user sets the authority of one
// of them, because kube-controller-manager refuses both. The other signers keep the cluster's own.
func signers(cfg config.Cluster, flags []component.Flag) []component.Flag {
	own := []string{"cluster-signing-cert-file", "cluster-signing-key-file"}
	var each []component.Flag
	excluded := map[string][]string{}
	for _, signer := range []string{"kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown"} {
		cert, key := "cluster-signing-"+signer+"-cert-file", "cluster-signing-"+signer+"-key-file"
		excluded[cert], excluded[key] = own, own
		each = append(each,
			component.Flag{Name: cert, Value: dir + "/ca.crt", Why: "This authority signs the approved requests of one signer."},
			component.Flag{Name: key, Value: dir + "/ca.key", Why: "This is the key of that authority."})
	}
	left := component.Without(cfg, name, flags, excluded)
	if len(left) == len(flags) {
		return flags
	}
	return append(left, each...)
}

// nodeCIDRs returns the flags for the assignment of pod CIDRs to nodes. With mkube's own pod
// network, mkube assigns them before the nodes exist, because routes contain them. Another pod
// network reads them from the Node objects, and the controller assigns them.
func nodeCIDRs(c *cluster.Cluster, n provider.Node) []component.Flag {
	if !c.Config.Networking.DisableDefaultCNI {
		return []component.Flag{{Name: "allocate-node-cidrs", Value: "false", Why: "mkube assigns each node its part of the pod network."}}
	}
	flags := []component.Flag{
		{Name: "allocate-node-cidrs", Value: "true", Why: "The controller assigns each node its part of the pod network."},
		{Name: "cluster-cidr", Value: c.Config.Networking.PodSubnet, Why: "This is the range of the pod network."},
		{Name: "service-cluster-ip-range", Value: c.Config.Networking.ServiceSubnet, Why: "No node gets addresses from this range."},
	}
	for _, cidr := range c.PodCIDRs(n) {
		name := "node-cidr-mask-size-ipv4"
		if cidr.Addr().Is6() {
			name = "node-cidr-mask-size-ipv6"
		}
		flags = append(flags, component.Flag{Name: name, Value: fmt.Sprint(cidr.Bits()), Why: "This is the prefix length of a node's part."})
	}
	return flags
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	return component.StaticPod(c, n, name, manifest, map[string]any{
		"Image":      component.Registry + name + ":" + n.Versions().Kubernetes,
		"Command":    append([]string{name}, component.Args(c.Config, name, Flags(c, n))...),
		"Kubeconfig": kubeconfig,
	})
}

// ready checks the health of the pod, and whether the default service account exists: no user's
// pod can be created before that.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	accounts, err := c.API.Resource(ctx, cluster.ServiceAccounts)
	if err != nil {
		return err
	}
	if _, err := accounts.Namespace("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return fmt.Errorf("the default service account: %w", err)
	}
	return component.Healthy(name, "https", 10257, "/healthz")(ctx, c, n)
}
