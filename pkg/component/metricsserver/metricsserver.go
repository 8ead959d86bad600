// Package metricsserver runs the addon metrics-server, which serves how much CPU and memory
// nodes and pods use.
package metricsserver

import (
	"context"
	_ "embed"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name      = names.MetricsServer
	namespace = "kube-system"
	// apiService is the API that it serves, behind the API server.
	apiService = "v1beta1.metrics.k8s.io"
	// serving is the folder in its pod that has its certificate.
	serving = "/etc/metrics-server/tls"
	port    = "10250"
)

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New returns metrics-server. It is a Deployment, with an API for which the API server forwards
// requests.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "reports the CPU and memory that nodes and pods use, for kubectl top and autoscalers",
			Lesson: lesson,
			Flags:  func(*cluster.Cluster, provider.Node) []component.Flag { return Flags() },
			Ports:  []component.Port{{Number: 10250, Protocol: "TCP", For: "the API server, for requests to metrics.k8s.io (a port of the pod)"}},
			Effect: component.Effect{Claim: "the API reports the usage of nodes", Try: reportsUsage},
		},
		Content: component.Content{
			On:      func(c *cluster.Cluster) []provider.Node { return c.ControlPlanes()[:1] },
			Objects: Objects,
		},
		Lifecycle: component.Lifecycle{
			// It exits if it cannot reach the API server through its Service. If names resolve,
			// kube-proxy is ready.
			DependsOn: []component.Dependency{
				{Name: names.CoreDNS, Until: component.UntilReady},
				{Name: names.KubeControllerManager, Until: component.BeforeReady},
				{Name: names.KubeScheduler, Until: component.BeforeReady},
				{Name: names.NodeRegistration, Until: component.BeforeReady},
			},
			Ready: ready,
		},
	}
}

// Objects returns the objects of metrics-server, as YAML documents. It returns an error if the
// node image has no metrics-server.
func Objects(c *cluster.Cluster) ([]byte, error) {
	version := c.Nodes[0].Versions().MetricsServer
	if version == "" {
		return nil, fmt.Errorf("the node image of Kubernetes %s has no metrics-server: it requires v1.36 or newer", c.Nodes[0].Versions().Kubernetes)
	}
	// The API server connects to it by the name of its Service. See
	// https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/.
	pair, err := c.PKI.Issue(c.PKI.Cluster, pki.Request{
		CommonName: name, DNSNames: []string{name + "." + namespace + ".svc"}, Usage: pki.Server,
	})
	if err != nil {
		return nil, err
	}
	return component.Render(name, manifest, map[string]any{
		"Image": component.Registry + "metrics-server/metrics-server:" + version,
		"Args":  component.Args(c.Config, name, Flags()),
		"Cert":  pair.Cert, "Key": pair.Key, "CA": c.PKI.Cluster.CertPEM(),
		"APIService": apiService, "Serving": serving, "Port": port,
	})
}

// Flags returns the flags of metrics-server. See
// https://github.com/kubernetes-sigs/metrics-server#configuration.
func Flags() []component.Flag {
	return []component.Flag{
		{Name: "kubelet-certificate-authority", Value: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", Why: "The kubelets' certificates come from the cluster's authority, whose certificate every pod gets."},
		{Name: "kubelet-preferred-address-types", Value: "InternalIP", Why: "metrics-server connects to kubelets by address, because the name of a node may not resolve."},
		{Name: "kubelet-use-node-status-port", Value: "true", Why: "The status of each node has the port of its kubelet."},
		{Name: "metric-resolution", Value: "10s", Why: "metrics-server queries kubelets as often as it allows, because it needs two values to compute a CPU usage."},
		{Name: "kubelet-request-timeout", Value: "5s", Why: "A request must end before the next one starts."},
		{Name: "secure-port", Value: port, Why: "A process needs no privileges to listen on this port."},
		{Name: "tls-cert-file", Value: serving + "/tls.crt", Why: "The API server verifies this certificate before it forwards requests."},
		{Name: "tls-private-key-file", Value: serving + "/tls.key", Why: "This is the key of that certificate."},
	}
}

// ready checks that metrics-server has metrics, which makes its pod Ready, and that the API
// server has reached its API, which makes the APIService available.
func ready(ctx context.Context, c *cluster.Cluster, _ provider.Node) error {
	if err := component.DeploymentReady(ctx, c, namespace, name); err != nil {
		return err
	}
	if c.Config.Networking.KubeProxyMode == config.ProxyNone {
		return nil // without kube-proxy, no Service has an answer, as configured
	}
	services, err := c.API.Resource(ctx, apiServices)
	if err != nil {
		return err
	}
	s, err := services.Get(ctx, apiService, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if component.Condition(s, "Available") != "True" {
		return fmt.Errorf("API %s is not available: %s", apiService, component.ConditionMessage(s, "Available"))
	}
	return nil
}

// nodeMetrics is the resource that kubectl top nodes shows.
var nodeMetrics = schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "nodes"}

func reportsUsage(ctx context.Context, c *cluster.Cluster) error {
	return component.Eventually(ctx, func() error {
		for _, n := range c.KubernetesNodes() {
			if _, err := c.API.Get(ctx, nodeMetrics, "", n.Name()); err != nil {
				return err
			}
		}
		return nil
	})
}
