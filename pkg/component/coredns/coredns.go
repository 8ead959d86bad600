// Package coredns is the cluster's DNS.
package coredns

import (
	"context"
	_ "embed"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

const name = "coredns"

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New is CoreDNS: a Deployment as any user could make it, asked for by one node's
// sake for all.
func New() component.Component {
	return component.Component{
		Name: name,
		// Before the server is ready there may be no namespace and no range of
		// addresses for the Service.
		After:  []string{"kube-apiserver"},
		Uses:   []string{"kube-controller-manager", "kube-scheduler", "cni", "kube-proxy"},
		Short:  "answers for the names of Services and pods",
		Lesson: lesson,
		On:     func(c *cluster.Cluster) []provider.Node { return c.ControlPlanes()[:1] },
		Start:  start,
		Ready:  ready,
	}
}

// Objects are CoreDNS's, as YAML documents.
func Objects(c *cluster.Cluster) ([]byte, error) {
	replicas := 1
	if len(c.Nodes) > 1 {
		replicas = 2
	}
	return component.Render(name, manifest, map[string]any{
		"Image":     component.Registry + "coredns/coredns:" + c.Nodes[0].Versions().CoreDNS,
		"Args":      append([]string{"-conf", "/etc/coredns/Corefile"}, component.Args(c.Config, name, nil)...),
		"Replicas":  replicas,
		"Domain":    c.Config.Networking.DNSDomain,
		"ClusterIP": c.Config.Networking.DNSServiceIP().String(),
	})
}

func start(ctx context.Context, c *cluster.Cluster, _ provider.Node) error {
	objects, err := Objects(c)
	if err != nil {
		return err
	}
	return c.API.Apply(ctx, objects)
}

// ready wants every pod of the Deployment Ready and a name resolved through the Service, on
// the node and by the network that pods use.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	deployments, err := c.API.Resource(ctx, cluster.Deployments)
	if err != nil {
		return err
	}
	d, err := deployments.Namespace("kube-system").Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	want, _, _ := unstructured.NestedInt64(d.Object, "spec", "replicas")
	// The condition Available is no help: with one replica, none is enough for it.
	if have, _, _ := unstructured.NestedInt64(d.Object, "status", "readyReplicas"); have < want {
		return unavailable(ctx, c, d)
	}
	if c.Config.Networking.KubeProxyMode == config.ProxyNone {
		return nil // no Service answers: that is what was asked for
	}
	return resolve(ctx, c, n)
}

// unavailable says why a Deployment's pods are not Ready, in the words of one of
// them.
func unavailable(ctx context.Context, c *cluster.Cluster, d *unstructured.Unstructured) error {
	pods, err := c.API.Resource(ctx, cluster.Pods)
	if err != nil {
		return err
	}
	list, err := pods.Namespace("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		return err
	}
	for _, pod := range list.Items {
		if err := component.PodState(&pod); err != nil {
			return err
		}
	}
	return fmt.Errorf("deployment %s has no Ready pod", d.GetName())
}

// resolve asks the DNS Service for the API server's name.
func resolve(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	host := "kubernetes.default.svc." + c.Config.Networking.DNSDomain
	server := c.Config.Networking.DNSServiceIP().String()
	if err := n.Run(ctx, provider.Cmd{Args: []string{"mkube-resolve", server, host}}); err != nil {
		return fmt.Errorf("asking %s for %s: %w", server, host, err)
	}
	return nil
}
