// The canvas under a display (Xvfb), with a lab of its own.
#include "app/viewport/viewport.h"

#include <QApplication>
#include <QMimeData>
#include <QMouseEvent>
#include <QSignalSpy>
#include <QTest>
#include <QWheelEvent>
#include <QWindow>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <thread>

#include "app/viewport/view_state.h"
#include "core/base/text.h"
#include "core/figure/marks/marks.h"
#include "core/session/lab.h"
#include "core/session/session.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

// Three panels: a matrix to read out, a threshold line to drag, particles that move in time.
class CanvasLab : public Lab {
 public:
  static LabEntry describe() {
    LabEntry entry;
    entry.id = "tests/canvas";
    entry.title = "Canvas test";
    entry.parameters = {{"level", "Level", "", "", 0.5, Real{0, 1}},
                        {"particles", "Particles", "", "", std::int64_t{256}, Integer{1, 65536}},
                        {"delay", "Delay", "", "", std::int64_t{0}, Integer{0, 5000}},
                        {"painted", "Painted", "", "", 0.0, Real{-1, 2}},
                        {"clicked", "Clicked", "", "", 0.0, Real{-1, 2}}};
    entry.make = [] { return std::make_unique<CanvasLab>(); };
    return entry;
  }

  Expected<void> update(LabContext& context) override {
    level_ = context.number("level");
    count_ = context.integer("particles");
    frame_ = 0;
    for (std::int64_t waited = 0; waited < context.integer("delay") && !context.cancelled(); waited += 10) {
      context.progress(0.5, "waiting");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    move();
    return {};
  }
  Expected<bool> advance(LabContext&) override {
    if (frame_ + 1 >= timeline().frames) return false;
    ++frame_;
    move();
    return true;
  }
  Timeline timeline() const override { return {100000, "step", 60}; }
  std::vector<Tensor> capture() const override { return {Tensor::from(Shape{1}, {static_cast<float>(frame_)})}; }
  void restore(std::int64_t frame, std::vector<Tensor>) override {
    frame_ = frame;
    move();
  }

  Figure figure() const override {
    Figure figure;
    Panel matrix;
    matrix.id = "matrix";
    matrix.title = "Matrix";
    matrix.x.range = Range{0, 4};
    matrix.y.range = Range{0, 4};
    auto heat = std::make_shared<HeatMapMark>("heat");
    heat->value =
        Tensor::from(Shape{4, 4}, {0, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1, 0.05f, 0.15f, 0.25f, 0.35f, 0.8125f});
    heat->x = heat->y = {0, 4};
    heat->quantity = "weight";
    matrix.marks.push_back(heat);

    Panel threshold;
    threshold.id = "threshold";
    threshold.title = "Threshold";
    threshold.column = 1;
    threshold.x.range = Range{0, 1};
    threshold.y.range = Range{0, 1};
    auto rule = std::make_shared<RuleMark>("rule");
    rule->vertical = false;
    rule->at = level_;
    rule->width = 3;
    rule->dash.clear();
    rule->paint = Paint::of(Role::danger);
    threshold.marks.push_back(rule);
    threshold.handles.push_back({"level", 0.5, level_, Handle::Kind::horizontalLine, "level"});

    Panel cloud;
    cloud.id = "cloud";
    cloud.title = "Particles";
    cloud.column = 2;
    cloud.x.range = Range{-2, 2};
    cloud.y.range = Range{-2, 2};
    auto points = std::make_shared<PointsMark>("points");
    points->xy = xy_;
    cloud.marks.push_back(points);
    Panel paper;
    paper.id = "paper";
    paper.title = "Paper";
    paper.column = 3;
    paper.x.range = Range{0, 1};
    paper.y.range = Range{0, 1};
    paper.handles.push_back({"paint", 0, 0, Handle::Kind::point, ""});
    figure.panels = {matrix, threshold, cloud, paper};
    return figure;
  }

  Changes pointer(const PointerEvent& event, const Values&) const override {
    if (event.panel == "paper")
      return {{event.kind == PointerEvent::Kind::click ? "clicked" : "painted", event.alternate ? -event.x : event.x}};
    if (event.panel != "threshold" || event.handle != "level" || event.kind == PointerEvent::Kind::click) return {};
    return {{"level", std::clamp(event.y, 0.0, 1.0)}};
  }

 private:
  void move() {
    std::vector<float> xy;
    for (std::int64_t i = 0; i < count_; ++i) {
      const float angle = static_cast<float>(i) * 0.1f + static_cast<float>(frame_) * 0.02f,
                  radius = 0.3f + 1.5f * static_cast<float>(i % 97) / 97;
      xy.insert(xy.end(), {radius * std::cos(angle), radius * std::sin(angle)});
    }
    xy_ = Tensor::from(Shape{count_, 2}, xy);
  }

  double level_ = 0.5;
  std::int64_t count_ = 256, frame_ = 0;
  Tensor xy_;
};

ORRERY_LAB(CanvasLab);

QApplication& application() {
  static int argc = 1;
  static char name[] = "test_viewport";
  static char* argv[] = {name, nullptr};
  static QApplication* instance = new QApplication(argc, argv);
  return *instance;
}

// A window with a canvas on a session, as the shell has it.
struct Stage {
  explicit Stage(QSize size = {900, 360}, std::shared_ptr<gpu::Device> device = nullptr, bool validation = true) {
    application();
    SessionOptions options;
    options.device.validation = validation;
    options.sharedDevice = std::move(device);
    auto opened = Session::open("tests/canvas", std::move(options));
    REQUIRE(opened);
    session = std::move(*opened);
    viewport = std::make_unique<app::Viewport>();
    viewport->resize(size);
    viewport->setTheme(ThemeKind::dark);
    viewport->setSession(session.get());
    session->observe([this] { viewport->pictureChanged(); });
    viewport->show();
    REQUIRE(QTest::qWaitForWindowExposed(viewport.get()));
    REQUIRE(session->wait());
    for (QWindow* each : QGuiApplication::allWindows()) {
      if (QString(each->metaObject()->className()).endsWith("CanvasWindow")) window = each;
    }
    REQUIRE(window != nullptr);
    REQUIRE(QTest::qWaitFor([this] { return window->isExposed(); }));
    settle();
  }
  ~Stage() {
    session->observe({});
    viewport->setSession(nullptr);
    for (const std::string& message : session->device()->validationMessages()) UNSCOPED_INFO(message);
    CHECK(session->device()->validationMessages().empty());
  }

  // The canvas after everything asked for has been computed and drawn.
  QImage settle() {
    REQUIRE(session->wait());
    QCoreApplication::processEvents();
    QImage image = viewport->grabCanvas();
    QCoreApplication::processEvents();
    return image;
  }

  // Where data lie in a panel, by laying out what the canvas lays out.
  QPoint place(const std::string& panel, double x, double y) const {
    LayoutOptions options = viewport->exportOptions(ThemeKind::dark);
    options.interactive = true;
    const Layout layout = layOut(session->picture()->figure, {static_cast<float>(window->width()), static_cast<float>(window->height())},
                                 Fonts::shared(), options);
    for (const PanelPlacement& placement : layout.panels) {
      if (placement.id != panel) continue;
      const Vec2 at = placement.transform.apply(x, y);
      return {static_cast<int>(at.x), static_cast<int>(at.y)};
    }
    FAIL("no panel " + panel);
    return {};
  }

  std::optional<Bounds> view(const std::string& panel) const { return viewport->exportOptions(ThemeKind::dark).view(panel); }

  void wheel(QPoint at, int units) const {
    QWheelEvent event(at, window->mapToGlobal(at), {}, {0, units}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
    QCoreApplication::sendEvent(window, &event);
  }

  std::unique_ptr<Session> session;
  std::unique_ptr<app::Viewport> viewport;
  QWindow* window = nullptr;
};

int differingPixels(const QImage& a, const QImage& b) {
  REQUIRE(a.size() == b.size());
  int count = 0;
  for (int y = 0; y < a.height(); ++y) {
    for (int x = 0; x < a.width(); ++x) count += a.pixel(x, y) != b.pixel(x, y);
  }
  return count;
}

std::size_t threadCount() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

void keepPicture(const QImage& image, const char* name) {
  if (const char* folder = std::getenv("ORRERY_TEST_PICTURES")) image.save(QString("%1/%2.png").arg(folder, name));
}

}  // namespace

TEST_CASE("the picture is presented, and changes when a parameter does") {
  Stage stage;
  CHECK(stage.viewport->presentedFrames() > 0);
  const QImage before = stage.settle();
  keepPicture(before, "canvas-dark");
  REQUIRE(before.size() == stage.window->size() * stage.window->devicePixelRatio());
  // A cell of the matrix has exactly the colour of the map.
  const QPoint cell = stage.place("matrix", 3.5, 3.5);
  const Color expected = sample(ColorMap::viridis, 0.8125f);
  CHECK(before.pixelColor(cell) ==
        QColor(int(std::lround(expected.r * 255)), int(std::lround(expected.g * 255)), int(std::lround(expected.b * 255))));
  REQUIRE(stage.session->set("level", 0.8));
  const QImage after = stage.settle();
  CHECK(differingPixels(before, after) > 200);
  // The line is where the new value is, and no longer where it was.
  const QPoint line = stage.place("threshold", 0.2, 0.8), old = stage.place("threshold", 0.2, 0.5);
  CHECK(after.pixelColor(line).red() > 200);
  CHECK(after.pixelColor(old).red() < 100);
}

TEST_CASE("nothing is drawn while nothing changes") {
  Stage stage;
  stage.settle();
  QTest::qWait(300);
  const quint64 before = stage.viewport->presentedFrames();
  QTest::qWait(500);
  CHECK(stage.viewport->presentedFrames() == before);
}

TEST_CASE("the wheel zooms at the cursor, a drag pans, a double click fits") {
  Stage stage;
  const QPoint at = stage.place("cloud", 1.0, -1.0);
  stage.wheel(at, 240);
  stage.settle();
  REQUIRE(stage.view("cloud"));
  const Bounds zoomed = *stage.view("cloud");
  CHECK(zoomed.x.high - zoomed.x.low == Approx(4 / 1.44).epsilon(0.001));
  // The data under the cursor kept their place in the panel: 3/4 of the way from -2 to 2, and 1/4. A pixel is 1/200 of it.
  CHECK((1 - zoomed.x.low) / (zoomed.x.high - zoomed.x.low) == Approx(0.75).margin(0.005));
  CHECK((-1 - zoomed.y.low) / (zoomed.y.high - zoomed.y.low) == Approx(0.25).margin(0.005));
  const QPoint still = stage.place("cloud", 1.0, -1.0);

  QTest::mousePress(stage.window, Qt::LeftButton, {}, still);
  QTest::mouseMove(stage.window, still + QPoint(20, 10));
  QTest::mouseMove(stage.window, still + QPoint(40, 10));
  QTest::mouseRelease(stage.window, Qt::LeftButton, {}, still + QPoint(40, 10));
  stage.settle();
  // 4 px: other tick labels may move the plotting area a little.
  const QPoint moved = stage.place("cloud", 1.0, -1.0);
  CHECK(std::abs(moved.x() - still.x() - 40) <= 4);
  CHECK(std::abs(moved.y() - still.y() - 10) <= 4);
  CHECK_FALSE(stage.view("matrix"));

  // Under the plotting area only x is magnified.
  const Bounds before = *stage.view("cloud");
  stage.wheel({at.x(), stage.window->height() - 14}, 120);
  stage.settle();
  CHECK(stage.view("cloud")->y.high == Approx(before.y.high));
  CHECK(stage.view("cloud")->x.high - stage.view("cloud")->x.low == Approx((before.x.high - before.x.low) / 1.2).epsilon(0.001));

  QTest::mouseDClick(stage.window, Qt::LeftButton, {}, at);
  stage.settle();
  CHECK_FALSE(stage.view("cloud"));
}

TEST_CASE("hovering says the exact value; a click pins it; the right button offers it") {
  Stage stage;
  QSignalSpy spy(stage.viewport.get(), &app::Viewport::hovered);
  const QPoint at = stage.place("matrix", 3.5, 3.5);
  const QImage before = stage.settle();
  QTest::mouseMove(stage.window, at - QPoint(3, 3));
  QTest::mouseMove(stage.window, at);
  REQUIRE(QTest::qWaitFor([&] { return !spy.isEmpty(); }));
  CHECK(spy.last().first().toString().contains("0.8125"));
  QImage read = stage.settle();
  keepPicture(read, "canvas-hover");
  CHECK(differingPixels(before, read) > 300);

  QSignalSpy menu(stage.viewport.get(), &app::Viewport::contextMenuRequested);
  QTest::mouseClick(stage.window, Qt::RightButton, {}, at);
  REQUIRE(menu.size() == 1);
  CHECK(menu.first().at(1).toString() == "matrix");
  CHECK(menu.first().at(2).toString().contains("0.8125"));

  QTest::mouseClick(stage.window, Qt::LeftButton, {}, at);
  // Away from every mark the hover card goes; the pin stays.
  QTest::mouseMove(stage.window, {2, 2});
  REQUIRE(QTest::qWaitFor([&] { return spy.last().first().toString().isEmpty(); }));
  const QImage pinned = stage.settle();
  CHECK(differingPixels(before, pinned) > 300);
  QSignalSpy keys(stage.viewport.get(), &app::Viewport::keyPressed);
  QTest::keyClick(stage.window, Qt::Key_Escape);
  CHECK(keys.isEmpty());
  CHECK(differingPixels(before, stage.settle()) == 0);
  QTest::keyClick(stage.window, Qt::Key_Space);
  REQUIRE(keys.size() == 1);
  CHECK(keys.first().first().toInt() == Qt::Key_Space);
}

TEST_CASE("dragging a handle changes its parameter, as one step to undo") {
  Stage stage;
  const QPoint from = stage.place("threshold", 0.5, 0.5), to = stage.place("threshold", 0.5, 0.25);
  QTest::mouseMove(stage.window, from);
  const QImage hot = stage.settle();
  keepPicture(hot, "canvas-handle");
  CHECK(stage.window->cursor().shape() == Qt::SizeVerCursor);
  QTest::mousePress(stage.window, Qt::LeftButton, {}, from);
  for (int i = 1; i <= 8; ++i) QTest::mouseMove(stage.window, from + (to - from) * i / 8);
  QTest::mouseRelease(stage.window, Qt::LeftButton, {}, to);
  stage.settle();
  // One pixel of this panel is about 1/250.
  CHECK(std::get<double>(stage.session->value("level")) == Approx(0.25).margin(0.006));
  CHECK_FALSE(stage.view("threshold"));
  stage.session->undo();
  stage.settle();
  CHECK(std::get<double>(stage.session->value("level")) == 0.5);
  CHECK_FALSE(stage.session->canUndo());
}

TEST_CASE("in a panel that is painted on, a drag paints and does not pan") {
  Stage stage;
  const QPoint from = stage.place("paper", 0.25, 0.5), to = stage.place("paper", 0.75, 0.5);
  QTest::mousePress(stage.window, Qt::LeftButton, {}, from);
  QTest::mouseMove(stage.window, (from + to) / 2);
  QTest::mouseMove(stage.window, to);
  QTest::mouseRelease(stage.window, Qt::LeftButton, {}, to);
  stage.settle();
  // One pixel of this panel is about 1/170.
  CHECK(std::get<double>(stage.session->value("painted")) == Approx(0.75).margin(0.01));
  CHECK_FALSE(stage.view("paper"));
  QTest::mousePress(stage.window, Qt::RightButton, {}, from);
  QTest::mouseMove(stage.window, to);
  QTest::mouseRelease(stage.window, Qt::RightButton, {}, to);
  stage.settle();
  CHECK(std::get<double>(stage.session->value("painted")) == Approx(-0.75).margin(0.01));
  CHECK(std::get<double>(stage.session->value("clicked")) == 0);
  QTest::mouseClick(stage.window, Qt::LeftButton, {}, from);
  stage.settle();
  CHECK(std::get<double>(stage.session->value("clicked")) == Approx(0.25).margin(0.01));
}

TEST_CASE("a long computation dims the last picture and shows how far it is") {
  Stage stage;
  const QImage before = stage.settle();
  const QPoint cell = stage.place("matrix", 3.5, 3.5);
  REQUIRE(stage.session->set("delay", std::int64_t{1500}));
  QTest::qWait(100);
  // Nothing blinks for a short time.
  CHECK(stage.viewport->grabCanvas().pixelColor(cell) == before.pixelColor(cell));
  QTest::qWait(500);
  const QImage busy = stage.viewport->grabCanvas();
  keepPicture(busy, "canvas-busy");
  const Color ground = themeOf(ThemeKind::dark).ground, accent = themeOf(ThemeKind::dark).accent;
  const double expected = 0.8 * before.pixelColor(cell).greenF() + 0.2 * static_cast<double>(ground.g);
  CHECK(busy.pixelColor(cell).greenF() == Approx(expected).margin(0.01));  // 2 of 255: 8-bit alpha and blending
  // Half of the line is done.
  CHECK(busy.pixelColor(busy.width() / 4, 0).blueF() == Approx(accent.b).margin(0.01));
  CHECK(busy.pixelColor(busy.width() * 3 / 4, 0) == before.pixelColor(busy.width() * 3 / 4, 0));
  CHECK(differingPixels(before, stage.settle()) == 0);
}

TEST_CASE("theme, overlay and size change what is drawn") {
  Stage stage;
  const QImage dark = stage.settle();
  stage.viewport->setTheme(ThemeKind::light);
  const QImage light = stage.settle();
  keepPicture(light, "canvas-light");
  CHECK(qGray(light.pixel(1, 1)) > 200);
  CHECK(qGray(dark.pixel(1, 1)) < 60);
  CHECK_FALSE(stage.viewport->overlayVisible());
  stage.viewport->setOverlayVisible(true);
  const QImage timings = stage.settle();
  keepPicture(timings, "canvas-overlay");
  CHECK(differingPixels(light, timings) > 500);
  REQUIRE(setLanguage("zh"));
  stage.viewport->pictureChanged();
  const QImage chinese = stage.settle();
  keepPicture(chinese, "canvas-overlay-zh");
  CHECK(differingPixels(timings, chinese) > 100);
  setLanguage("en");
  stage.viewport->setOverlayVisible(false);
  CHECK(differingPixels(light, stage.settle()) == 0);

  stage.viewport->resize(700, 300);
  REQUIRE(QTest::qWaitFor([&] { return stage.window->width() == 700; }));
  CHECK(stage.settle().size() == stage.window->size() * stage.window->devicePixelRatio());
  stage.viewport->hide();
  QTest::qWait(50);
  REQUIRE(stage.session->set("level", 0.1));
  REQUIRE(stage.session->wait());
  stage.viewport->show();
  REQUIRE(QTest::qWaitForWindowExposed(stage.viewport.get()));
  QTest::qWait(100);
  CHECK_FALSE(stage.settle().isNull());
}

TEST_CASE("dropped files are forwarded") {
  Stage stage;
  QSignalSpy hovering(stage.viewport.get(), &app::Viewport::filesHovering), dropped(stage.viewport.get(), &app::Viewport::filesDropped);
  QMimeData data;
  data.setUrls({QUrl::fromLocalFile("/data/points.npy")});
  QDragEnterEvent enter({10, 10}, Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QCoreApplication::sendEvent(stage.window, &enter);
  CHECK(enter.isAccepted());
  QDropEvent drop({10, 10}, Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QCoreApplication::sendEvent(stage.window, &drop);
  REQUIRE(hovering.size() == 1);
  REQUIRE(dropped.size() == 1);
  CHECK(dropped.first().first().toStringList() == QStringList{"/data/points.npy"});
}

TEST_CASE("a lost device is replaced and the picture comes back") {
  auto device = gpu::Device::open({-1, true});
  REQUIRE(device);
  Stage stage({900, 360}, *device);
  const QImage before = stage.settle();
  (*device)->injectDeviceLost(1);
  stage.viewport->pictureChanged();
  REQUIRE(QTest::qWaitFor([&] { return stage.session->device() != *device && stage.session->picture()->device != *device; }, 10000));
  const QImage after = stage.settle();
  CHECK(differingPixels(before, after) == 0);
}

TEST_CASE("closing a canvas leaves no thread behind") {
  auto device = gpu::Device::open({-1, true});
  REQUIRE(device);
  { Stage first({400, 300}, *device); }  // what the driver and Qt start once
  const std::size_t before = threadCount();
  for (int i = 0; i < 3; ++i) {
    Stage stage({400, 300}, *device);
    stage.session->play();
    QTest::qWait(60);
  }
  QTest::qWait(50);
  CHECK(threadCount() == before);
}

TEST_CASE("pan and zoom follow logarithmic and reversed axes") {
  app::ViewState view;
  PanelPlacement panel;
  panel.id = "p";
  panel.area = {100, 100, 200, 100};
  panel.transform = {100, 100, 50, 100, true, false};  // x: 1..100 on a log axis; y reversed: 0 at the top, 2 at the bottom
  view.zoom(panel, {200, 150}, 2, true, true);
  REQUIRE(view.of("p"));
  CHECK(view.of("p")->x.low == Approx(std::pow(10, 0.5)));
  CHECK(view.of("p")->x.high == Approx(std::pow(10, 1.5)));
  CHECK(view.of("p")->y.low == Approx(0.5));
  CHECK(view.of("p")->y.high == Approx(1.5));
  view.pan(panel, {100, -50});
  CHECK(view.of("p")->x.low == Approx(0.1));
  CHECK(view.of("p")->x.high == Approx(10));
  CHECK(view.of("p")->y.low == Approx(1));
  view.zoom(panel, {200, 150}, 1e12, true, true);  // finer than single precision: refused
  CHECK(view.of("p")->x.low == Approx(0.1));
  view.fit("p");
  CHECK_FALSE(view.of("p"));
}

TEST_CASE("frames per second while playing", "[.speed]") {
  for (const std::int64_t particles : {256, 4096, 65536}) {
    Stage stage({1280, 720}, nullptr, false);
    REQUIRE(stage.session->set("particles", particles));
    stage.settle();
    stage.session->play();
    QTest::qWait(1500);
    const quint64 before = stage.viewport->presentedFrames();
    const std::clock_t cpuBefore = std::clock();
    QTest::qWait(3000);
    const double frames = static_cast<double>(stage.viewport->presentedFrames() - before);
    std::printf("%6lld particles: %.1f frames per second presented, %.2f CPU ms per frame of all threads\n",
                static_cast<long long>(particles), frames / 3,
                1000.0 * static_cast<double>(std::clock() - cpuBefore) / CLOCKS_PER_SEC / std::max(1.0, frames));
    stage.session->pause();
    keepPicture(stage.settle(), "canvas-playing");
  }
}
