package docker

import (
	"net/netip"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Labels are all the state there is: what carries a cluster's label is the
// cluster's, and mkube touches nothing else.
const (
	labelCluster = "dev.mkube.cluster"
	labelRole    = "dev.mkube.role"
	labelIP      = "dev.mkube.ip"
	labelIndex   = "dev.mkube.index"
	// labelCreation is what provider.NewCreation says.
	labelCreation = "dev.mkube.creation"

	// Those of the node image, which its containers inherit.
	labelKubernetes    = "dev.mkube.kubernetes"
	labelEtcd          = "dev.mkube.etcd"
	labelCoreDNS       = "dev.mkube.coredns"
	labelPause         = "dev.mkube.pause"
	labelLocalPath     = "dev.mkube.local-path-provisioner"
	labelMetricsServer = "dev.mkube.metrics-server"
	labelParts         = "dev.mkube.parts"
)

func byCluster(name string) filters.Args {
	return filters.NewArgs(filters.Arg("label", labelCluster+"="+name))
}

// byCreation finds what a creation has made of a cluster, all of it for "".
func byCreation(name, creation string) filters.Args {
	args := byCluster(name)
	if creation != "" {
		args.Add("label", labelCreation+"="+creation)
	}
	return args
}

func versionsFrom(labels map[string]string) provider.Versions {
	return provider.Versions{
		Kubernetes:    labels[labelKubernetes],
		Etcd:          labels[labelEtcd],
		CoreDNS:       labels[labelCoreDNS],
		Pause:         labels[labelPause],
		LocalPath:     labels[labelLocalPath],
		MetricsServer: labels[labelMetricsServer],
	}
}

// nodeFrom makes a node of a listed container: its labels say all that is to know.
func nodeFrom(c *client.Client, s container.Summary) *node {
	return &node{
		client: c, id: s.ID, name: containerName(s.Names), role: config.Role(s.Labels[labelRole]),
		ips: parseAddrs(s.Labels[labelIP]), versions: versionsFrom(s.Labels),
	}
}

// joinAddrs and parseAddrs are addresses as a label holds them, with commas between.
func joinAddrs(addrs []netip.Addr) string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ",")
}

func parseAddrs(s string) []netip.Addr {
	var addrs []netip.Addr
	for part := range strings.SplitSeq(s, ",") {
		if a, err := netip.ParseAddr(part); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func containerName(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0][1:] // the API writes a leading slash
}
