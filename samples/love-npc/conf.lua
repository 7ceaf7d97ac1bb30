function love.conf(t)
  t.identity = "leoam_npc"
  t.window.title = "The keeper of Fenwick"
  t.window.width, t.window.height = 960, 540
  t.modules.physics, t.modules.joystick, t.modules.audio, t.modules.sound = false, false, false, false
end
