package macsim

import "context"

type pfState struct{}

func (*pfState) boot(*Mac)    {}
func (*pfState) text() string { return "" }

func pfctl(context.Context, *Mac, *process) int { return 1 }

type launchdState struct{}

func (*launchdState) boot(*Mac)    {}
func (*launchdState) text() string { return "" }

func launchctl(context.Context, *Mac, *process) int { return 1 }
func plutil(context.Context, *Mac, *process) int    { return 1 }
