# kubectl on a control plane is its administrator's, as in a node container.
[ ! -r /etc/kubernetes/admin.conf ] || export KUBECONFIG=/etc/kubernetes/admin.conf
