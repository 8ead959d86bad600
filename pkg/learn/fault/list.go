package fault

import (
	"slices"

	"github.com/mkube/mkube/pkg/names"
)

// all returns the faults, in the order of the components of a cluster.
func all() []Fault {
	return slices.Concat(ofNodes(), ofKubelets(), ofTheControlPlane(), ofDecisions(), ofServices())
}

// ofNodes returns the faults of components below the kubelet.
func ofNodes() []Fault {
	return []Fault{
		{
			Name: "runtime-stopped", Component: names.Containerd,
			Symptom: "Containers that run keep running, but no new one starts, and the node becomes NotReady.",
			Hints: []string{
				"The conditions in kubectl describe node show which program sends no reports.",
				"On the node, ask the runtime: crictl ps.",
				"It is a service of systemd: systemctl status containerd.",
			},
			causes: script("systemctl stop containerd"), check: works,
			// The kubelet's unit stops together with containerd's.
			fixes: script("systemctl start containerd kubelet"),
		},
		{
			Name: "network-missing", Component: names.CNI,
			Symptom: "The node is NotReady, and new pods stay in ContainerCreating.",
			Hints: []string{
				"What does the node's condition Ready say? kubectl describe node",
				"The runtime looks for a pod network in a folder: crictl info prints its path.",
				"/etc/cni/net.d on the node is empty; something was moved to /root.",
			},
			causes: script("mv /etc/cni/net.d/10-mkube.conflist /root/"), check: works,
		},
		{
			Name: "wrong-pod-range", Component: names.CNI,
			Symptom: "New pods run, but their addresses are outside the part of the pod network that belongs to the node: other pods cannot reach them.",
			Hints: []string{
				"Compare the address of a new pod with the node's podCIDR: kubectl get node -o yaml",
				"Which program gives a pod its address? The plugin host-local, from the range in its configuration.",
				"The range in /etc/cni/net.d/10-mkube.conflist is not the node's.",
			},
			causes: script(`sed -i 's/"subnet": "[^"]*"/"subnet": "10.99.0.0\/24"/' /etc/cni/net.d/10-mkube.conflist`),
			check:  rangeIsTheNodes,
		},
	}
}

// ofKubelets returns the faults of the kubelet.
func ofKubelets() []Fault {
	return []Fault{
		{
			Name: "kubelet-stopped", Component: names.Kubelet,
			Symptom: "The node becomes NotReady after a while, and no change to its pods takes effect.",
			Hints: []string{
				"Which program reports the status of a node? kubectl describe node shows when the reports stopped.",
				"It is a systemd service on the node: systemctl status kubelet.",
			},
			causes: script("systemctl stop kubelet"), check: ready,
		},
		{
			Name: "kubelet-misconfigured", Component: names.Kubelet,
			Symptom: "The node becomes NotReady, and its agent keeps restarting.",
			Hints: []string{
				"journalctl --unit kubelet on the node shows the reason for each restart.",
				"/var/lib/kubelet/config.yaml has a field that the kubelet does not know.",
			},
			causes: script("sed -i 's/^clusterDomain:/clusterDomian:/; s/^failSwapOn:.*/failSwapOn: perhaps/' /var/lib/kubelet/config.yaml && systemctl restart kubelet"),
			check:  ready, fixes: and(kubeletFiles, script("systemctl reset-failed kubelet; systemctl restart kubelet")),
		},
		{
			Name: "kubelet-certificate-expired", Component: names.NodeRegistration,
			Symptom: "The node becomes NotReady. Its kubelet runs, but the API server rejects it.",
			Hints: []string{
				"journalctl --unit kubelet on the node: Unauthorized.",
				"When does the certificate in /etc/kubernetes/kubelet.conf expire? mkube pki shows it.",
				"The authority in /etc/kubernetes/pki/ca.crt must issue a new certificate.",
			},
			causes: expireKubelet, check: kubeletIsLetIn,
			fixes: and(startAgain, script("systemctl restart kubelet")),
		},
	}
}

// ofTheControlPlane returns the faults of etcd and the API server.
func ofTheControlPlane() []Fault {
	return []Fault{
		{
			Name: "etcd-full", Component: names.Etcd,
			Symptom: "Everything can be read, but nothing can be changed.",
			Hints: []string{
				"What does kubectl create print? Its error names the database.",
				"etcd raises an alarm when its database exceeds its quota: --quota-backend-bytes in its manifest.",
				"After you free space, you must also disarm the alarm, with etcd's API (/v3/maintenance/alarm).",
			},
			causes: fillEtcd, check: works, fixes: emptyEtcd,
		},
		{
			Name: "wrong-etcd-address", Component: names.KubeAPIServer, Redundant: true,
			Symptom: "kubectl gets no answer: the API server keeps restarting.",
			Hints: []string{
				"Which container exits? crictl ps --all on the control plane.",
				"What is its last log message? crictl logs",
				"It connects to etcd at a port where nothing listens: see --etcd-servers in its manifest.",
			},
			causes: script("sed -i 's/127.0.0.1:2379/127.0.0.1:2378/' /etc/kubernetes/manifests/kube-apiserver.yaml"), check: answers,
		},
		{
			Name: "wrong-certificate", Component: names.KubeAPIServer, Redundant: true,
			Symptom: "kubectl refuses to talk to the API server: the server's certificate is for another name.",
			Hints: []string{
				"Which names are in the certificate that the API server presents? mkube pki",
				"/etc/kubernetes/pki/apiserver.crt is for another name and address.",
			},
			causes: wrongCertificate, check: answers, fixes: and(startAgain, restart),
		},
	}
}

// ofDecisions returns the faults of the controller manager and the scheduler.
func ofDecisions() []Fault {
	return []Fault{
		{
			Name: "controller-manager-crashes", Component: names.KubeControllerManager, Redundant: true,
			Symptom: "A new Deployment gets no pods, and a deleted pod is not replaced.",
			Hints: []string{
				"Which component creates ReplicaSets? mkube explain",
				"Why does it exit? crictl ps --all, then crictl logs, on the control plane.",
				"A file that one of its flags names does not exist: look at its flags.",
			},
			causes: script("sed -i 's/controller-manager.conf\"/controller-manger.conf\"/' /etc/kubernetes/manifests/kube-controller-manager.yaml"), check: ready,
		},
		{
			Name: "scheduler-stopped", Component: names.KubeScheduler, Redundant: true,
			Symptom: "New pods stay Pending, and no event gives a reason.",
			Hints: []string{
				"Which component gives a pod its node? mkube explain",
				"Does it run? crictl ps on the control plane.",
				"The kubelet runs the manifests in /etc/kubernetes/manifests. Something was moved to /root.",
			},
			causes: script("mv /etc/kubernetes/manifests/kube-scheduler.yaml /root/"), check: ready,
		},
		{
			Name: "scheduler-has-no-rights", Component: names.KubeScheduler,
			Symptom: "New pods stay Pending, although the scheduler runs.",
			Hints: []string{
				"What does it log? kubectl -n kube-system logs",
				"It is not allowed to do its work. Which object grants the permissions? kubectl get clusterrolebindings",
				"The ClusterRoleBinding system:kube-scheduler is missing.",
			},
			InAPI:  true,
			causes: dropRights, check: rights, fixes: grantRights,
		},
		{
			Name: "node-cordoned", Component: names.KubeScheduler,
			Symptom: "New pods stay Pending: no node accepts them.",
			Hints: []string{
				"What do the pod's events report about the nodes? kubectl describe pod",
				"kubectl get nodes: SchedulingDisabled.",
			},
			InAPI:  true,
			causes: cordon(true), check: open, fixes: cordon(false),
		},
	}
}

// ofServices returns the faults of policies, Services and DNS.
func ofServices() []Fault {
	return []Fault{
		{
			Name: "policies-not-enforced", Component: names.KubeNetworkPolicies,
			Symptom: "A new NetworkPolicy has no effect: connections that it forbids succeed.",
			Hints: []string{
				"A NetworkPolicy is only an object in the API. Which component enforces it on a node? mkube explain",
				"It is a systemd service: systemctl status kube-network-policies.",
			},
			causes: script("systemctl stop kube-network-policies"), check: ready,
		},
		{
			Name: "services-lead-nowhere", Component: names.KubeProxy,
			Symptom: "New Services do not answer, although their pods do.",
			Hints: []string{
				"Which component writes the rules for Services on a node? mkube explain",
				"Does it run? crictl ps, on the node.",
				"Its manifest is not in /etc/kubernetes/manifests: it was moved to /root.",
			},
			causes: script("mv /etc/kubernetes/manifests/kube-proxy.yaml /root/"), check: ready,
		},
		{
			Name: "dns-knows-another-domain", Component: names.CoreDNS,
			Symptom: "Names of Services do not resolve, but names outside the cluster do.",
			Hints: []string{
				"Which domain does CoreDNS answer for? Its configuration is in a ConfigMap.",
				"kubectl -n kube-system get configmap coredns -o yaml: compare the domain with the search list of a pod's /etc/resolv.conf.",
			},
			InAPI:  true,
			causes: otherDomain, check: works, fixes: ownDomain,
		},
		{
			Name: "dns-has-no-pods", Component: names.CoreDNS,
			Symptom: "No name resolves, although CoreDNS runs.",
			Hints: []string{
				"Pods send their queries to the Service kube-dns. Which pods does it lead to? kubectl -n kube-system get endpointslices",
				"The Service's selector does not match the pods' labels.",
			},
			InAPI:  true,
			causes: selectNobody, check: works, fixes: selectPods,
		},
	}
}
