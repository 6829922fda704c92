package macsim

import "context"

type pfState struct{}

func (*pfState) boot(*Mac)    {}
func (*pfState) text() string { return "" }

func pfctl(context.Context, *Mac, *process) int { return 1 }
