package fault

import "slices"

// all are the faults, in the order of the story.
func all() []Fault {
	return slices.Concat(ofNodes(), ofKubelets(), ofTheControlPlane(), ofDecisions(), ofServices())
}

// ofNodes are faults of what is below the kubelet.
func ofNodes() []Fault {
	return []Fault{
		{
			Name: "runtime-stopped", Component: "containerd",
			Symptom: "What runs goes on running, but no container starts any more, and the node becomes NotReady.",
			Hints: []string{
				"kubectl describe node says who is not heard from.",
				"On the node, ask the runtime: crictl ps.",
				"It is a service of systemd: systemctl status containerd.",
			},
			breaks: script("systemctl stop containerd"), well: works,
			// The kubelet's unit ends with the runtime's.
			mends: script("systemctl start containerd kubelet"),
		},
		{
			Name: "network-missing", Component: "cni",
			Symptom: "The node is NotReady, and new pods stay in ContainerCreating.",
			Hints: []string{
				"What does the node's condition Ready say? kubectl describe node",
				"The runtime looks for a pod network in a folder: crictl info tells which.",
				"/etc/cni/net.d on the node is empty; something was moved to /root.",
			},
			breaks: script("mv /etc/cni/net.d/10-mkube.conflist /root/"), well: works,
		},
		{
			Name: "wrong-pod-range", Component: "cni",
			Symptom: "New pods run, but their addresses are of no part of the pod network that the node has: others do not reach them.",
			Hints: []string{
				"Compare the address of a new pod with the node's podCIDR: kubectl get node -o yaml",
				"Who gives a pod its address? The plugin host-local, from the range in its configuration.",
				"The range in /etc/cni/net.d/10-mkube.conflist is not the node's.",
			},
			breaks: script(`sed -i 's/"subnet": "[^"]*"/"subnet": "10.99.0.0\/24"/' /etc/cni/net.d/10-mkube.conflist`),
			well:   rangeIsTheNodes,
		},
	}
}

// ofKubelets are faults of the kubelet.
func ofKubelets() []Fault {
	return []Fault{
		{
			Name: "kubelet-stopped", Component: "kubelet",
			Symptom: "The node becomes NotReady after a while, and nothing that is asked of its pods happens.",
			Hints: []string{
				"Who reports for a node? kubectl describe node says since when nobody does.",
				"It is a service of systemd on the node: systemctl status kubelet.",
			},
			breaks: script("systemctl stop kubelet"), well: ready,
		},
		{
			Name: "kubelet-misconfigured", Component: "kubelet",
			Symptom: "The node becomes NotReady, and its agent starts again and again.",
			Hints: []string{
				"journalctl --unit kubelet on the node has the reason, each time.",
				"A field of /var/lib/kubelet/config.yaml is not one of the kubelet's.",
			},
			breaks: script("sed -i 's/^clusterDomain:/clusterDomian:/; s/^failSwapOn:.*/failSwapOn: perhaps/' /var/lib/kubelet/config.yaml && systemctl restart kubelet"),
			well:   ready, mends: and(kubeletFiles, script("systemctl reset-failed kubelet; systemctl restart kubelet")),
		},
		{
			Name: "kubelet-certificate-expired", Component: "node-registration",
			Symptom: "The node becomes NotReady; its kubelet runs, but the API server does not let it in.",
			Hints: []string{
				"journalctl --unit kubelet on the node: Unauthorized.",
				"Until when is the certificate in /etc/kubernetes/kubelet.conf? mkube pki shows it.",
				"Its certificate must be issued anew, by the authority in /etc/kubernetes/pki/ca.crt.",
			},
			breaks: expireKubelet, well: kubeletIsLetIn,
			mends: and(anew, script("systemctl restart kubelet")),
		},
	}
}

// ofTheControlPlane are faults of what stores and answers.
func ofTheControlPlane() []Fault {
	return []Fault{
		{
			Name: "etcd-full", Component: "etcd",
			Symptom: "Everything can be read, and nothing can be changed.",
			Hints: []string{
				"What does kubectl create say? It names the database.",
				"etcd raises an alarm when its database is larger than it may be: --quota-backend-bytes in its manifest.",
				"Once there is room again the alarm still has to be disarmed, by etcd's API (/v3/maintenance/alarm).",
			},
			breaks: fillEtcd, well: works, mends: emptyEtcd,
		},
		{
			Name: "wrong-etcd-address", Component: "kube-apiserver",
			Symptom: "kubectl gets no answer: the API server starts again and again.",
			Hints: []string{
				"Whose container ends? crictl ps --all on the control plane.",
				"What is the last thing that it says? crictl logs",
				"It asks for etcd at a port where nobody listens: see --etcd-servers in its manifest.",
			},
			breaks: script("sed -i 's/127.0.0.1:2379/127.0.0.1:2378/' /etc/kubernetes/manifests/kube-apiserver.yaml"), well: answers,
		},
		{
			Name: "wrong-certificate", Component: "kube-apiserver",
			Symptom: "kubectl refuses to speak to the API server: it is not who it should be.",
			Hints: []string{
				"Which names are in the certificate that it shows? mkube pki",
				"/etc/kubernetes/pki/apiserver.crt is for somebody else.",
			},
			breaks: wrongCertificate, well: answers, mends: and(anew, restart),
		},
	}
}

// ofDecisions are faults of what decides.
func ofDecisions() []Fault {
	return []Fault{
		{
			Name: "controller-manager-crashes", Component: "kube-controller-manager",
			Symptom: "A new Deployment makes no pods, and a deleted pod is not replaced.",
			Hints: []string{
				"Which component makes ReplicaSets? mkube explain",
				"Why does it end? crictl ps --all, then crictl logs, on the control plane.",
				"A file that it is told to read is not there: look at its flags.",
			},
			breaks: script("sed -i 's/controller-manager.conf\"/controller-manger.conf\"/' /etc/kubernetes/manifests/kube-controller-manager.yaml"), well: ready,
		},
		{
			Name: "scheduler-stopped", Component: "kube-scheduler",
			Symptom: "New pods stay Pending, and no event says why.",
			Hints: []string{
				"Who gives a pod its node? mkube explain",
				"Does it run? crictl ps on the control plane.",
				"What the kubelet runs lies in /etc/kubernetes/manifests. Something was moved to /root.",
			},
			breaks: script("mv /etc/kubernetes/manifests/kube-scheduler.yaml /root/"), well: ready,
		},
		{
			Name: "scheduler-has-no-rights", Component: "kube-scheduler",
			Symptom: "New pods stay Pending, though the scheduler runs.",
			Hints: []string{
				"What does it say? kubectl -n kube-system logs",
				"It is forbidden what a scheduler does: who grants it that? kubectl get clusterrolebindings",
				"The ClusterRoleBinding system:kube-scheduler is missing.",
			},
			breaks: dropRights, well: rights, mends: grantRights,
		},
		{
			Name: "node-cordoned", Component: "kube-scheduler",
			Symptom: "New pods stay Pending: no node takes them.",
			Hints: []string{
				"What do the pod's events say of the nodes? kubectl describe pod",
				"kubectl get nodes: SchedulingDisabled.",
			},
			breaks: cordon(true), well: open, mends: cordon(false),
		},
	}
}

// ofServices are faults of how pods are found and reached.
func ofServices() []Fault {
	return []Fault{
		{
			Name: "policies-not-enforced", Component: "kube-network-policies",
			Symptom: "NetworkPolicies are there, and connections that they forbid are made.",
			Hints: []string{
				"A NetworkPolicy is but a wish: who enforces it on a node? mkube explain",
				"It is a service of systemd: systemctl status kube-network-policies.",
			},
			breaks: script("systemctl stop kube-network-policies"), well: ready,
		},
		{
			Name: "services-lead-nowhere", Component: "kube-proxy",
			Symptom: "New Services do not answer, while their pods do.",
			Hints: []string{
				"Who writes the rules for Services on a node? mkube explain",
				"Does it run? crictl ps, on the node.",
				"Its manifest is not in /etc/kubernetes/manifests; it was moved to /root.",
			},
			breaks: script("mv /etc/kubernetes/manifests/kube-proxy.yaml /root/"), well: ready,
		},
		{
			Name: "dns-knows-another-domain", Component: "coredns",
			Symptom: "Names of Services do not resolve; names of the world outside do.",
			Hints: []string{
				"Which domain does CoreDNS answer for? Its configuration is in a ConfigMap.",
				"kubectl -n kube-system get configmap coredns -o yaml: compare the domain with the search list of a pod's /etc/resolv.conf.",
			},
			breaks: otherDomain, well: works, mends: ownDomain,
		},
		{
			Name: "dns-has-no-pods", Component: "coredns",
			Symptom: "No name resolves, though CoreDNS runs.",
			Hints: []string{
				"Pods ask the Service kube-dns. Whom does that lead to? kubectl -n kube-system get endpointslices",
				"The Service's selector and the pods' labels do not agree.",
			},
			breaks: selectNobody, well: works, mends: selectPods,
		},
	}
}
